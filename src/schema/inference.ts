/** Measurements, and how a model runs in them: what it keeps in its cache. */
import * as z from "zod";
import { makeOptional } from "./schemaParts";

type Schemas = Readonly<Record<string, z.ZodType>>;

/** The schema of an evaluate cell, from those of the metrics and of the cache policies by name. */
export function createEvaluateSchema({
  metrics,
  caches,
}: {
  readonly metrics: Schemas;
  readonly caches: Schemas;
}) {
  return z
    .strictObject({ ...makeOptional(metrics), inference: createInferenceSchema(caches).optional() })
    .refine((keys) => Object.keys(keys).some((key) => key !== "inference"), {
      error: "name at least one metric",
    })
    .describe("Measure the current model, metric by metric.");
}

function createInferenceSchema(caches: Schemas) {
  return z
    .strictObject({
      cache: z
        .strictObject(makeOptional(caches))
        .refine((policies) => Object.keys(policies).length === 1, { error: "name one cache policy" })
        .optional()
        .describe(
          "Which keys and values the model keeps of the tokens before the current one; all by default.",
        ),
    })
    .describe("How the model runs in the metrics of this cell that generate token by token.");
}

/** Parts of inference that a metric supports or not. */
export type InferencePart = "cache";
