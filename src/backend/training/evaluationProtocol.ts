/** How the evaluations of a training measure the loss, so that losses of other runs are compared only where that is equal. */
import { createHash } from "node:crypto";
import type { LossProtocol } from "../../protocol/lossProtocol";
import type { TrainOptions } from "../../schema/experiment";
import { getReferenceName, type PreferenceOptions } from "../../schema/preference";
import { IGNORED, type Split } from "../data/split";
import { describeExits } from "../models/exits";
import { countEvaluationSequences } from "./request";

/** Sequences read at a time; the result does not depend on it. */
const rows = 64;

export function describeEvaluation(
  title: string,
  validation: Split,
  options: TrainOptions,
  hiddenShare: number | undefined,
): LossProtocol {
  const hash = createHash("sha256");
  let tokens = 0;
  const count = Math.min(countEvaluationSequences(options, validation), validation.sequences);
  for (let first = 0; first < count; first += rows) {
    const indices = Array.from({ length: Math.min(rows, count - first) }, (_, i) => first + i);
    const batch = validation.batch(indices);
    const counted = Uint8Array.from(batch.labels, (label) => (label === IGNORED ? 0 : 1));
    for (const each of counted) tokens += each;
    hash.update(new Uint8Array(batch.tokens.buffer, batch.tokens.byteOffset, batch.tokens.byteLength));
    hash.update(counted);
  }
  const { sequenceLength, packing, documentMask } = validation.layout;
  return {
    data: title,
    split: "validation",
    hash: hash.digest("hex"),
    tokens,
    method: [
      packing ? `sequences of ${sequenceLength}` : `documents in sequences of ${sequenceLength}`,
      ...(documentMask ? ["documents apart"] : []),
      ...(hiddenShare === undefined ? [] : [`${(100 * hiddenShare).toFixed(0)} % of the tokens hidden`]),
      ...(options.exits === undefined
        ? []
        : [`${describeExits(options.exits.layers)} with classifiers, loss of ${options.exits.loss}`]),
      ...(options.preference === undefined
        ? [`mean over ${options.eval_loss_average}`]
        : [describePreference(options.preference)]),
    ].join(", "),
  };
}

/** Losses of preference pairs are equal in meaning only with equal options and the same reference. */
function describePreference(preference: PreferenceOptions): string {
  const { loss, loss_type: type = "sigmoid", beta, label_smoothing: smoothing = 0 } = preference;
  const reference = getReferenceName(preference);
  return [
    loss === "orpo" ? "ORPO" : `DPO ${type}`,
    `beta ${beta}`,
    ...(smoothing === 0 ? [] : [`label smoothing ${smoothing}`]),
    ...(reference === undefined ? [] : [`reference ${reference}`]),
    "mean over preference pairs",
  ].join(", ");
}
