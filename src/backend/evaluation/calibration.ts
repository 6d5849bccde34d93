/**
 * Whether a model is as often right as it is sure: the confidence of the most likely next token against how often that token is
 * the next one (Guo et al. 2017, arXiv 1706.04599). Shrinking can keep the loss and still make a model over- or underconfident.
 */
import * as z from "zod";
import { computeCalibration, type CalibrationBin } from "../../statistics/calibration";
import { WorkbenchError } from "../../protocol/errors";
import { constant, scalar, type Value } from "../graph/op";
import { add, and, equal, exp, less, maximum, sub, where } from "../graph/ops/elementwise";
import { pick } from "../graph/ops/indexing";
import { crossEntropy } from "../graph/ops/loss";
import { concat, reshape } from "../graph/ops/movement";
import { logSumExp, max, sum } from "../graph/ops/reduction";
import { requireNextToken } from "../models/classifier";
import { defineMetric, type EvaluationLab, getSplit, type Subject } from "./metric";
import { createStridedWindows } from "./perplexityText";
import { readWindows, resolveContext } from "./scoreWindows";

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
  context: z
    .int()
    .min(2)
    .optional()
    .describe(
      "Tokens per window, half of which overlap. The default is `sequence_len`, at most the model's context.",
    ),
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
  for await (const [, confidence, isRight] of readWindows(subject, windows, undefined, lab, scoreTop, 3)) {
    confidences.push(confidence!);
    rights.push(isRight === 1);
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

/**
 * [rows, vocabulary] and [rows] → [rows, 3]: the nats of the label, the probability of the most likely token, and 1 where the
 * label is that token, or the first of several, else 0.
 */
function scoreTop(logits: Value, labels: Value): Value {
  const [rows, vocabulary] = logits.type.shape as [number, number];
  const column = (values: Value) => reshape(values, { shape: [rows, 1] });
  const over = { axes: [1], keepDims: true };
  const top = max(logits, over);
  const isTop = equal(logits, top);
  const ids = constant(
    Int32Array.from({ length: vocabulary }, (_, id) => id),
    [1, vocabulary],
  );
  // Rows without a label have a negative one.
  const label = maximum(labels, constant(Int32Array.of(0), [1]));
  const earlier = sum(where(and(isTop, less(ids, column(label))), scalar(1), scalar(0)), over);
  const gap = add(sub(top, column(pick(logits, label))), earlier);
  const isRight = where(equal(gap, scalar(0)), scalar(1), scalar(0));
  return concat(column(crossEntropy(logits, labels)), exp(sub(top, logSumExp(logits, over))), isRight, {
    axis: 1,
  });
}
