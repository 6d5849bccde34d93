/**
 * Whether a model is as often right as it is sure: the confidence of the most likely next token against how often that token is
 * the next one (Guo et al. 2017, arXiv 1706.04599). Shrinking can keep the loss and still make a model over- or underconfident.
 */
import * as z from "zod";
import { computeCalibration, type CalibrationBin } from "../../statistics/calibration";
import { WorkbenchError } from "../../protocol/errors";
import { constant, type Value } from "../graph/op";
import { exp, maximum, sub } from "../graph/ops/elementwise";
import { crossEntropy } from "../graph/ops/loss";
import { concat, reshape } from "../graph/ops/movement";
import { logSumExp, max } from "../graph/ops/reduction";
import { requireNextToken } from "../models/classifier";
import { createGaps } from "./harness/tokenScores";
import { defineMetric, type EvaluationLab, getSplit, type Subject } from "./metric";
import { createStridedWindows } from "./perplexityText";
import { contextOption, readWindows, resolveContext } from "./scoreWindows";

const optionsSchema = z.strictObject({
  bins: z
    .int()
    .min(1)
    .max(1000)
    .default(15)
    .describe("Bins of equal width that confidences are sorted into."),
  split: z.enum(["validation", "test", "train"]).default("validation").describe("Split to read."),
  max_tokens: z
    .int()
    .min(2)
    .default(32_768)
    .describe("Read only this many tokens, from the start of the split."),
  context: contextOption,
});
type Options = z.output<typeof optionsSchema>;

interface TokenCalibration {
  readonly ece: number;
  readonly mce: number;
  /** Share of tokens that were the most likely ones. */
  readonly accuracy: number;
  /** Mean probability of the most likely token. */
  readonly confidence: number;
  readonly bins: readonly CalibrationBin[];
  readonly tokens: number;
  readonly context: number;
}

export default defineMetric<Options, TokenCalibration>({
  title: "Calibration",
  options: optionsSchema,
  needs: ["data"],
  goals: {
    "calibration/ece": "minimize",
    "calibration/mce": "minimize",
    "calibration/accuracy": "maximize",
  },
  samples: [
    { max_tokens: 40, context: 8 },
    { bins: 3, max_tokens: 30, split: "train" },
  ],
  checkModel: (shape) => requireNextToken(shape, "it has no probabilities of the next token"),
  check: ({ shape, data }, options) => {
    resolveContext("calibration", { shape, data }, options);
  },
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    const { ece, mce, accuracy, confidence } = details;
    return {
      values: {
        "calibration/ece": ece,
        "calibration/mce": mce,
        "calibration/accuracy": accuracy,
        "calibration/confidence": confidence,
      },
      lines: [
        `expected calibration error ${ece.toFixed(4)}, largest of a bin ${mce.toFixed(4)} (${options.bins} bins)`,
        `the most likely token has a probability of ${confidence.toFixed(4)} and is right in ${accuracy.toFixed(4)} of all places: ${confidence > accuracy ? "overconfident" : "underconfident"} by ${Math.abs(confidence - accuracy).toFixed(4)}`,
        `${subject.data!.title}, ${options.split} split, ${details.tokens} scored tokens, context ${details.context}`,
      ],
      details,
    };
  },
});

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<TokenCalibration> {
  const split = getSplit(subject.data, options.split);
  const context = resolveContext("calibration", subject, options);
  const ids = split.read(0, Math.min(split.tokens, options.max_tokens));
  if (ids.length < 2)
    throw new WorkbenchError(
      "invalid-input",
      `The ${options.split} split has ${ids.length} tokens, but scoring needs at least 2. Provide more text.`,
    );
  const windows = createStridedWindows(ids, context, Math.ceil(context / 2));
  const confidences: number[] = [];
  const rights: boolean[] = [];
  for await (const [, confidence, gap] of readWindows(subject, windows, undefined, lab, scoreTop, 3)) {
    confidences.push(confidence!);
    rights.push(gap === 0);
  }
  const tokens = confidences.length;
  return {
    ...computeCalibration(confidences, rights, options.bins),
    accuracy: rights.filter(Boolean).length / tokens,
    confidence: confidences.reduce((total, each) => total + each, 0) / tokens,
    tokens,
    context,
  };
}

/** [rows, vocabulary] and [rows] → [rows, 3]: the nats of the label, the probability of the most likely token, and the label's gap. */
function scoreTop(logits: Value, labels: Value): Value {
  const over = { axes: [1], keepDims: true };
  const nats = reshape(crossEntropy(logits, labels), { shape: [labels.type.shape[0]!, 1] });
  // Rows without a label have a negative one.
  const gaps = createGaps(logits, maximum(labels, constant(Int32Array.of(0), [1])));
  return concat(nats, exp(sub(max(logits, over), logSumExp(logits, over))), gaps, { axis: 1 });
}
