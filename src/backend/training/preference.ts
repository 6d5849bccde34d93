/**
 * Losses of preference pairs: DPO (Rafailov et al. 2023, arXiv 2305.18290) with its published variants, and ORPO (Hong et al.
 * 2024, arXiv 2403.07691). Rows 2i and 2i + 1 of a batch are the chosen and the rejected answer of pair i.
 */
import type { PreferenceOptions } from "../../schema/preference";
import { type Batch, countLossLabels } from "../data/split";
import { createIgnoredLabel, ignoredLabel } from "../graph/composites/losses";
import { int } from "../graph/functions";
import { constant, input, scalar, type Value } from "../graph/op";
import {
  add,
  cast,
  div,
  equal,
  greater,
  log,
  maximum,
  mul,
  neg,
  relu,
  sub,
  tanh,
  where,
} from "../graph/ops/elementwise";
import { crossEntropy } from "../graph/ops/loss";
import { concat, pad, reshape, slice } from "../graph/ops/movement";
import { sum } from "../graph/ops/reduction";

/** Input with the reference's log-probabilities of both answers, float32 [pairs, 2]. */
export const referenceName = "reference_log_probs";
/** Scalar input: 1 / (labels of the chosen texts of the whole optimizer step, with their prompts). */
export const inverseTextCountName = "inverse_text_count";

/** The tokens of a batch that a pair's loss is computed from, each [rows, length]. */
export interface PairTokens {
  readonly tokens: Value;
  /** Ignored outside the answers. */
  readonly labels: Value;
  /** 0 where a sequence is padding. */
  readonly segments: Value;
}

/** Values of each pair of a batch. Those of padding are finite. */
export interface PairValues {
  /** [pairs]: without the loss of the chosen texts. */
  readonly loss: Value;
  /** [pairs, 2]: implicit rewards of both answers, as TRL reports them. */
  readonly rewards: Value;
  /** [pairs, 2]: log-probability of the answers; with ORPO its mean over their tokens. */
  readonly logProbs: Value;
  /** With ORPO, [pairs]: summed cross-entropy of the chosen texts, and log odds of chosen over rejected. */
  readonly textLoss?: Value;
  readonly logOdds?: Value;
}

/**
 * Labels whose cross-entropy is needed. ORPO learns the whole chosen text, the prompt as well (as TRL 1.16 and the authors'
 * code do), so that its labels are the next tokens wherever there is text.
 */
export function buildPairLabels(
  { loss }: PreferenceOptions,
  { tokens, labels, segments }: PairTokens,
): Value {
  if (loss === "dpo") return labels;
  const [, length] = tokens.type.shape as [number, number];
  const next = (value: Value) =>
    pad(slice(value, { axis: 1, start: 1, end: length }), { axis: 1, before: 0, after: 1 });
  const isIgnored = equal(labels, createIgnoredLabel());
  const following = where(greater(next(segments), int(0)), next(tokens), int(ignoredLabel));
  return where(isIgnored, following, labels);
}

/** `perToken` [rows · length] is the cross-entropy of `buildPairLabels`. */
export function buildPairValues(
  options: PreferenceOptions,
  perToken: Value,
  { labels }: PairTokens,
): PairValues {
  const [rows, length] = labels.type.shape as [number, number];
  const pairs = rows / 2;
  const grid = reshape(perToken, { shape: [rows, length] });
  const isIgnored = equal(labels, createIgnoredLabel());
  const sumRows = (value: Value) =>
    reshape(sum(value, { axes: [1], keepDims: false }), { shape: [pairs, 2] });
  const logProbs = neg(sumRows(where(isIgnored, scalar(0), grid)));
  const counts = maximum(sumRows(where(isIgnored, scalar(0), scalar(1))), scalar(1));
  if (options.loss === "orpo") {
    const means = div(logProbs, counts);
    const logOdds = compare(sub(means, logOneMinusExp(means)));
    const textLoss = take(sumRows(grid), 0);
    const loss = mul(negLogSigmoid(logOdds), scalar(options.beta));
    return { loss, rewards: mul(means, scalar(options.beta)), logProbs: means, textLoss, logOdds };
  }
  const ratios = sub(logProbs, input(referenceName, [pairs, 2]));
  return {
    loss: buildDpoLoss(options, ratios, counts),
    rewards: mul(ratios, scalar(options.beta)),
    logProbs,
  };
}

/** `ratios` [pairs, 2] are the logarithms of π/π_ref, `counts` the tokens of the answers → [pairs]. */
function buildDpoLoss(
  { loss_type: type = "sigmoid", beta, label_smoothing: smoothing = 0 }: PreferenceOptions,
  ratios: Value,
  counts: Value,
): Value {
  const margin = mul(compare(ratios), scalar(beta));
  switch (type) {
    case "sigmoid":
      // Equation 7 of DPO; with ε > 0 the conservative form of the authors' code.
      return mixed(margin, 1 - smoothing, smoothing);
    case "robust":
      // Ray Chowdhury et al. 2024, arXiv 2403.00409, equation 9.
      return mixed(margin, (1 - smoothing) / (1 - 2 * smoothing), -smoothing / (1 - 2 * smoothing));
    case "hinge":
      // Zhao et al. 2023, arXiv 2305.10425.
      return relu(sub(scalar(1), margin));
    case "ipo": {
      // Azar et al. 2023, arXiv 2310.12036, equation 17, with log-probabilities per token as its authors confirmed to TRL.
      const distance = sub(compare(div(ratios, counts)), scalar(1 / (2 * beta)));
      return mul(distance, distance);
    }
  }
}

/** −a·log σ(z) − b·log σ(−z). */
function mixed(z: Value, a: number, b: number): Value {
  const right = mul(negLogSigmoid(z), scalar(a));
  return b === 0 ? right : add(right, mul(negLogSigmoid(neg(z)), scalar(b)));
}

/** The objective of a training step and what it reports, from inputs with the counts of the whole optimizer step. */
export function buildPairObjective(
  { loss, rewards, logProbs, textLoss, logOdds }: PairValues,
  inverseCount: Value,
): { readonly objective: Value; readonly reported: Readonly<Record<string, Value>> } {
  const total = (value: Value) => sum(value, { axes: [0], keepDims: false });
  const mean = (value: Value) => mul(total(value), inverseCount);
  const [chosen, rejected] = [take(rewards, 0), take(rewards, 1)];
  const pairLoss = mean(loss);
  const text = textLoss && mul(total(textLoss), input(inverseTextCountName, []));
  return {
    objective: text === undefined ? pairLoss : add(text, pairLoss),
    reported: {
      "rewards/chosen": mean(chosen),
      "rewards/rejected": mean(rejected),
      "rewards/accuracies": mean(cast(greater(chosen, rejected), { to: "float32" })),
      "rewards/margins": mean(sub(chosen, rejected)),
      "logps/chosen": mean(take(logProbs, 0)),
      "logps/rejected": mean(take(logProbs, 1)),
      ...(text === undefined ? {} : { nll_loss: text }),
      ...(logOdds === undefined
        ? {}
        : { log_odds_ratio: neg(mean(negLogSigmoid(logOdds))), log_odds_chosen: mean(logOdds) }),
    },
  };
}

/** −log σ(z) of [n], as the cross-entropy of two classes, which neither overflows nor has a kink at 0. */
function negLogSigmoid(z: Value): Value {
  const [n] = z.type.shape as [number];
  const zeros = constant(new Float32Array(n), [n, 1]);
  const logits = concat(reshape(z, { shape: [n, 1] }), zeros, { axis: 1 });
  return crossEntropy(logits, constant(new Int32Array(n), [n]));
}

/** log(1 − eˣ) for x < 0, by 1 − eˣ = −2t / (1 − t) with t = tanh(x/2), which is exact to rounding near 0 as well. */
function logOneMinusExp(x: Value): Value {
  const t = tanh(mul(x, scalar(0.5)));
  const positive = maximum(neg(t), scalar(1e-20));
  return sub(log(mul(positive, scalar(2))), log(sub(scalar(1), t)));
}

/** Column of [pairs, 2] → [pairs]. */
function take(values: Value, column: 0 | 1): Value {
  const [pairs] = values.type.shape as [number, number];
  return reshape(slice(values, { axis: 1, start: column, end: column + 1 }), { shape: [pairs] });
}

/** The chosen value minus the rejected one: [pairs, 2] → [pairs]. */
function compare(values: Value): Value {
  return sub(take(values, 0), take(values, 1));
}

/** Pairs of the batches that are not padding. */
export function countPairs(batches: readonly Batch[]): number {
  return batches.reduce((total, batch) => total + listPairs(batch).length, 0);
}

/** Numbers of the pairs of a batch that are not padding. */
export function listPairs({ rows, length, labels }: Batch): number[] {
  return Array.from({ length: rows / 2 }, (_, pair) => pair).filter((pair) =>
    labels.subarray(2 * pair * length, (2 * pair + 1) * length).some((label) => label !== ignoredLabel),
  );
}

/** Labels of the chosen texts with their prompts: the tokens that are fed, since each of them has a next one. */
export function countTextLabels(batches: readonly Batch[]): number {
  return batches.reduce((total, batch) => {
    const { length, segments } = batch;
    const fed = listPairs(batch).map((pair) =>
      segments!.subarray(2 * pair * length, (2 * pair + 1) * length).reduce((count, each) => count + each, 0),
    );
    return total + fed.reduce((sum, each) => sum + each, 0);
  }, 0);
}

/** What the mean of a step's loss is over: pairs, or else labels that are not ignored. */
export function countLossTerms(batches: readonly Batch[], preference: PreferenceOptions | undefined): number {
  return preference === undefined
    ? batches.reduce((total, batch) => total + countLossLabels(batch), 0)
    : countPairs(batches);
}
