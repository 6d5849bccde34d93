/** Opens a model that generates token by token, with the cache or the exits that its inference names. */
import { WorkbenchError } from "../../protocol/errors";
import full from "../caches/full";
import { checkStore, planLayers } from "../caches/planLayers";
import type { Engine } from "../engine/engine";
import type { CacheSizes } from "../models/keyValueCache";
import { dimensionsOf } from "../models/model";
import { describeExits, getExitLayers } from "../models/exits";
import type { InferenceExits } from "../../schema/exits";
import { DraftNextToken } from "./draftNextToken";
import { ExitNextToken } from "./exitNextToken";
import { buildStep, CompactNextToken } from "./compactNextToken";
import type { Subject } from "./metric";
import { countProbeTokens } from "./retrievalHeads";
import { CachedNextToken, type NextToken } from "./nextToken";

/**
 * Refuses a cache that this model cannot have whatever its texts are: with a budget for another number of layers or without
 * room for the tokens that are always kept, or with heads that the model does not have or that cannot be found.
 */
function checkPolicy({ shape, inference }: Pick<Subject, "shape" | "inference">): void {
  const { cache: chosen } = inference ?? {};
  if (chosen === undefined) return;
  const { retrieval } = chosen.policy;
  if (retrieval !== undefined && chosen.heads === undefined)
    countProbeTokens(shape, retrieval.countTokens(chosen.options));
  const dimensions = dimensionsOf(shape);
  checkStore(dimensions, chosen.store);
  planLayers(chosen, dimensions, dimensions.context, [1]);
}

/**
 * Refuses what this model cannot have whatever its texts are, and what a text of so many tokens rules out: a cache where a layer
 * has a shorter window, and exits where there are none. The length is unknown before texts are read, except for the tokens
 * that a metric is known to need.
 */
export function checkInference(
  { shape, inference }: Pick<Subject, "shape" | "inference">,
  tokens: number | undefined,
): void {
  checkPolicy({ shape, inference });
  checkExits({ shape, inference }, tokens ?? 1);
  const dimensions = dimensionsOf(shape);
  if (inference?.cache === undefined || tokens === undefined || tokens > dimensions.context) return;
  // Windows matter to any policy, and this one has room for any text.
  const chosen = { policy: full, options: {} };
  const layers = planLayers(chosen, dimensions, tokens, [1]);
  buildStep(shape, chosen, { batch: 1, positions: tokens, layers });
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

/**
 * Refuses exits that this model does not have, for texts that grow to `positions` tokens.
 */
export function checkExits(
  { shape, inference }: Pick<Subject, "shape" | "inference">,
  positions: number,
): void {
  const { exits: chosen } = inference ?? {};
  if (chosen === undefined) return;
  const { context } = dimensionsOf(shape);
  const exits = getExitLayers(shape.config);
  if (exits.length === 0)
    throw new WorkbenchError(
      "invalid-input",
      "The model has no exits, so inference.exits has nothing to use. Train some with train.exits in a train cell above, or remove inference.exits.",
    );
  if (chosen.draft !== undefined && !exits.includes(chosen.draft))
    throw new WorkbenchError(
      "invalid-input",
      `inference.exits.draft is ${chosen.draft}, but the model has only the ${describeExits(exits)}. Name one of these, or train another one with train.exits.`,
      { allowed: exits.map(String) },
    );
  if (positions > context)
    throw new WorkbenchError(
      "invalid-input",
      `With inference.exits, a text ends at the model's context of ${context} tokens, but it would grow to ${positions}. Shorten the prompt, or generate fewer tokens.`,
    );
}

/** Opens the model with the cache or the exits of its inference. `seeds` has one number for each text, for policies that draw. */
export function openNextToken(
  engine: Engine,
  subject: Pick<Subject, "shape" | "tensors" | "inference" | "weights">,
  sizes: CacheSizes,
  seeds: readonly number[],
): NextToken {
  const { cache: chosen, exits } = subject.inference ?? {};
  if (exits !== undefined) return openExits(engine, subject, sizes, exits);
  if (chosen === undefined) return new CachedNextToken(engine, subject, sizes);
  if (chosen.policy.retrieval !== undefined && chosen.heads === undefined)
    throw new Error(`The retrieval heads of ${chosen.name} were not found before the evaluation.`);
  const { slots: positions } = sizes;
  const dimensions = dimensionsOf(subject.shape);
  const plan = (lengths: readonly number[]) => planLayers(chosen, dimensions, positions, lengths);
  return new CompactNextToken(engine, subject, { chosen, positions, plan, seeds });
}

export const defaultDraftTokens = 4;

function openExits(
  engine: Engine,
  model: Pick<Subject, "shape" | "tensors">,
  sizes: CacheSizes,
  { draft, tokens = defaultDraftTokens, threshold, confidence = "probability", stop }: InferenceExits,
): NextToken {
  return draft === undefined
    ? new ExitNextToken(engine, model, sizes, { threshold: threshold!, confidence, stop })
    : new DraftNextToken(engine, model, sizes, { draft, tokens });
}
