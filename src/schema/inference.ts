/** Measurements, and how a model runs in them: what it reads of a prompt, what it keeps in its cache, and where texts leave it. */
import * as z from "zod";
import { inferenceExitsSchema } from "./exits";
import { makeOptional } from "./schemaParts";

type Schemas = Readonly<Record<string, z.ZodType>>;

/** The schemas of metrics and policies by name. */
interface EvaluationSchemas {
  readonly metrics: Schemas;
  readonly caches: Schemas;
  readonly prompts: Schemas;
}

/** The schema of an evaluate cell. */
export function createEvaluateSchema({ metrics, ...policies }: EvaluationSchemas) {
  return z
    .strictObject({ ...makeOptional(metrics), inference: createInferenceSchema(policies).optional() })
    .refine((keys) => Object.keys(keys).some((key) => key !== "inference"), {
      error: "name at least one metric",
    })
    .describe("Measure the current model, metric by metric.");
}

function createInferenceSchema({ caches, prompts }: Omit<EvaluationSchemas, "metrics">) {
  const chooseOne = (policies: Schemas, what: string) =>
    z
      .strictObject(makeOptional(policies))
      .refine((chosen) => Object.keys(chosen).length === 1, { error: `name one ${what} policy` })
      .optional();
  return z
    .strictObject({
      prompt: chooseOne(prompts, "prompt").describe(
        "Which words of a prompt the model reads; all by default. The last of several lines, the question, is always read whole.",
      ),
      cache: chooseOne(caches, "cache").describe(
        "Which keys and values the model keeps of the tokens before the current one; all by default.",
      ),
      exits: inferenceExitsSchema.optional(),
    })
    .refine(({ cache, exits }) => cache === undefined || exits === undefined, {
      error: "name either cache or exits: exits read and write a cache of all tokens",
    })
    .describe("How the model runs in the metrics of this cell that generate token by token.");
}

/** Parts of inference that a metric supports or not. */
export type InferencePart = "cache" | "prompt" | "exits";
