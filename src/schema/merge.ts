/** The schema of a merge cell: one method of merging with its options. */
import * as z from "zod";
import { makeOptional } from "./schemaParts";

export function createMergeSchema(methods: Readonly<Record<string, z.ZodType>>) {
  return z
    .strictObject(makeOptional(methods))
    .refine((chosen) => Object.keys(chosen).length === 1, { error: "name one method of merging" })
    .describe("Merge the current model with others of its architecture, such as runs of other variants.");
}
