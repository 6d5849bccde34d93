/** Opens a model that generates token by token, with the cache that its inference names. */
import { WorkbenchError } from "../../protocol/errors";
import { planLayers } from "../caches/planLayers";
import type { Engine } from "../engine/engine";
import type { CacheSizes } from "../models/keyValueCache";
import { dimensionsOf } from "../models/model";
import { buildStep, CompactNextToken } from "./compactNextToken";
import type { Subject } from "./metric";
import { countProbeTokens } from "./retrievalHeads";
import { CachedNextToken, type NextToken } from "./nextToken";

/**
 * Refuses a cache that this model cannot have whatever its texts are: with a budget for another number of layers or without
 * room for the tokens that are always kept, or with heads that the model does not have or that cannot be found.
 */
export function checkPolicy({ shape, inference }: Pick<Subject, "shape" | "inference">): void {
  const { cache: chosen } = inference ?? {};
  if (chosen === undefined) return;
  const { retrieval } = chosen.policy;
  if (retrieval !== undefined && chosen.heads === undefined)
    countProbeTokens(shape, retrieval.countTokens(chosen.options));
  const dimensions = dimensionsOf(shape);
  planLayers(chosen, dimensions, dimensions.context, [1]);
}

/**
 * Refuses a cache that this model cannot have, for prompts of these lengths in texts that grow to `positions` tokens: a budget
 * without room for the tokens that are always kept, layers with a window, or what `checkPolicy` refuses.
 */
export function checkCache(
  { shape, inference }: Pick<Subject, "shape" | "inference">,
  prompts: readonly number[],
  positions: number,
): void {
  const { cache: chosen } = inference ?? {};
  if (chosen === undefined) return;
  checkPolicy({ shape, inference });
  const dimensions = dimensionsOf(shape);
  const { context } = dimensions;
  if (positions > context)
    throw new WorkbenchError(
      "invalid-input",
      `With inference.cache, a text ends at the model's context of ${context} tokens, but it would grow to ${positions}. Shorten the prompt, or generate fewer tokens.`,
    );
  const layers = planLayers(chosen, dimensions, positions, prompts);
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
  if (chosen.policy.retrieval !== undefined && chosen.heads === undefined)
    throw new Error(`The retrieval heads of ${chosen.name} were not found before the evaluation.`);
  const { slots: positions } = sizes;
  const dimensions = dimensionsOf(subject.shape);
  const plan = (lengths: readonly number[]) => planLayers(chosen, dimensions, positions, lengths);
  return new CompactNextToken(engine, subject, { chosen, positions, plan, seeds });
}
