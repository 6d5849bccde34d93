/** How a model runs during an evaluation, from the `inference` key of an evaluate cell. */
import { WorkbenchError } from "../../protocol/errors";
import type { InferencePart } from "../../schema/inference";
import { cachePolicies } from "../caches/catalog";
import type { ChosenPolicy } from "../caches/compactCache";
import { planLayers } from "../caches/planLayers";
import type { Engine } from "../engine/engine";
import type { CacheSizes } from "../models/keyValueCache";
import { dimensionsOf } from "../models/model";
import { buildStep, CompactNextToken } from "./compactNextToken";
import type { Metric, Subject } from "./metric";
import { CachedNextToken, type NextToken } from "./nextToken";

export interface Inference {
  readonly cache?: ChosenCache;
}

/** A cache policy with its options, and its name. */
export interface ChosenCache extends ChosenPolicy {
  readonly name: string;
}

/** Splits the options of an evaluate cell into its metrics and how the model runs in them. */
export function splitEvaluation({ inference, ...metrics }: Readonly<Record<string, unknown>>): {
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly inference: Inference;
} {
  return { metrics, inference: inference === undefined ? {} : parseInference(inference) };
}

function parseInference(options: unknown): Inference {
  const { cache } = options as { readonly cache?: Readonly<Record<string, unknown>> };
  const [chosen] = Object.entries(cache ?? {});
  if (chosen === undefined) return {};
  const [name, values] = chosen;
  const policy = cachePolicies[name]!;
  return { cache: { name, policy, options: policy.options.parse(values) as unknown } };
}

/** Refuses a metric whose result would not be that of the model as it runs. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export function refuseUnsupported(name: string, metric: Metric<any, any>, inference: Inference): void {
  if (metric.inference === "any") return;
  const supported: readonly InferencePart[] = metric.inference ?? [];
  for (const part of Object.keys(inference) as InferencePart[])
    if (!supported.includes(part))
      throw new WorkbenchError(
        "unsupported",
        `evaluate.${name} does not generate token by token, so inference.${part} would have no effect on it. Measure it in another evaluate cell without inference, or use evaluate.cache or evaluate.generate here.`,
      );
}

/**
 * Refuses a cache that this model cannot have, for prompts of these lengths in texts that grow to `positions` tokens: a budget
 * without room for the tokens that are always kept, or layers with a window.
 */
export function checkCache(
  { shape, inference }: Pick<Subject, "shape" | "inference">,
  prompts: readonly number[],
  positions: number,
): void {
  const { cache: chosen } = inference ?? {};
  if (chosen === undefined) return;
  const { context, layers: count } = dimensionsOf(shape);
  if (positions > context)
    throw new WorkbenchError(
      "invalid-input",
      `With inference.cache, a text ends at the model's context of ${context} tokens, but it would grow to ${positions}. Shorten the prompt, or generate fewer tokens.`,
    );
  const layers = planLayers(chosen, count, positions, prompts);
  buildStep(shape, chosen, { batch: prompts.length, positions, layers });
}

/** Opens the model with the cache of its inference. `seeds` has one number for each text, for policies that draw. */
export function openNextToken(
  engine: Engine,
  subject: Pick<Subject, "shape" | "tensors" | "inference">,
  sizes: CacheSizes,
  seeds: readonly number[],
): NextToken {
  const { cache: chosen } = subject.inference ?? {};
  if (chosen === undefined) return new CachedNextToken(engine, subject, sizes);
  const { slots: positions } = sizes;
  const { layers } = dimensionsOf(subject.shape);
  const plan = (lengths: readonly number[]) => planLayers(chosen, layers, positions, lengths);
  return new CompactNextToken(engine, subject, { chosen, positions, plan, seeds });
}
