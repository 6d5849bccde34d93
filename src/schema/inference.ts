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

/** The form of the keys and values that a policy keeps. */
export const quantizedCacheSchema = z
  .strictObject({
    bits: z
      .union([z.literal(2), z.literal(4), z.literal(8)])
      .default(4)
      .describe("Bits of each number."),
    group_size: z
      .int()
      .min(2)
      .default(32)
      .describe(
        "Tokens that share the range of a channel of their keys, and channels that share a range in a value. The last tokens, up to this many, stay in float32.",
      ),
  })
  .describe(
    "Store keys and values in fewer bits (KIVI), alone or with a policy that does not overwrite generated tokens.",
  );
export type QuantizedCache = z.output<typeof quantizedCacheSchema>;

/** The schema of `inference` in an evaluate cell. */
export function createInferenceSchema({ caches, prompts }: Omit<EvaluationSchemas, "metrics">) {
  const isOne = (chosen: object) => Object.keys(chosen).length === 1;
  const cache = z
    .strictObject({ ...makeOptional(caches), quantized: quantizedCacheSchema.optional() })
    .refine(({ quantized, ...chosen }) => isOne(chosen) || (quantized !== undefined && !hasKeys(chosen)), {
      error: "name one cache policy, quantized, or a policy and quantized",
    });
  const prompt = z.strictObject(makeOptional(prompts)).refine(isOne, { error: "name one prompt policy" });
  return z
    .strictObject({
      prompt: prompt
        .optional()
        .describe(
          "What the model reads of a prompt; all of it by default. The last of several lines, the question, is always read whole.",
        ),
      cache: cache
        .optional()
        .describe(
          "Which keys and values the model keeps of the tokens before the current one; all by default.",
        ),
      exits: inferenceExitsSchema.optional(),
    })
    .refine((parts) => parts.cache === undefined || parts.exits === undefined, {
      error: "name either cache or exits: exits read and write a cache of all tokens",
    })
    .describe("How the model runs in the metrics of this cell that generate token by token.");
}

const hasKeys = (chosen: object): boolean => Object.keys(chosen).length > 0;

/** Parts of inference that a metric supports or not. */
export type InferencePart = "cache" | "prompt" | "exits";

const cacheAdvice =
  "Training reads the keys and values of all tokens; a cache policy belongs in an evaluate cell: evaluate: {inference: {cache: {…}}, …}";

/** Advice for keys that belong elsewhere, by cell and key. */
export const misplacedKeys: ReadonlyMap<string, string> = new Map([
  ["train.inference", cacheAdvice],
  ["train.cache", cacheAdvice],
]);
