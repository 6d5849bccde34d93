/** How a model runs while it is measured: what it keeps in its cache. */
import * as z from "zod";
import { makeOptional } from "./schemaParts";

/** `caches` are the schemas of the cache policies by name. */
export function createInferenceSchema(caches: Readonly<Record<string, z.ZodType>>) {
  return z
    .strictObject({
      cache: z
        .strictObject(makeOptional(caches))
        .refine((policies) => Object.keys(policies).length === 1, { error: "name one cache policy" })
        .optional()
        .describe("Which keys and values the model keeps of the tokens before the current one; all by default."),
    })
    .describe("How the model runs in the metrics of this cell that generate token by token.");
}

/** Parts of inference that a metric supports or not. */
export type InferencePart = "cache";
