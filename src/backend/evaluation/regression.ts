/** Errors of a regression model on a split, and correlations as SciPy computes them. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { matchLabels, matchToModel } from "../data/labels";
import { getHead } from "../models/classifier";
import type { ModelShape } from "../models/model";
import { computeAverageRanks, pearson } from "../../statistics/correlation";
import { computeHeadOutputs } from "./headOutputs";
import { defineMetric, type EvaluationLab, getSplit, type Subject } from "./metric";

const optionsSchema = z.strictObject({
  split: z.enum(["validation", "test", "train"]).default("validation").describe("Split to predict."),
  max_examples: z
    .int()
    .min(1)
    .optional()
    .describe("Predict only this many examples, from the start of the split."),
  batch_size: z.int().min(1).default(16).describe("Examples per batch. Affects only time and memory."),
});
type Options = z.output<typeof optionsSchema>;

export interface Regression {
  readonly split: string;
  readonly data: string;
  readonly examples: number;
  readonly mean_squared_error: number;
  readonly mean_absolute_error: number;
  /** Null if it is undefined because all predictions or all labels are equal. */
  readonly pearson: number | null;
  readonly spearman: number | null;
  /** Mean squared error of always predicting the mean of the labels. */
  readonly variance: number;
}

export default defineMetric<Options, Regression>({
  title: "Regression",
  options: optionsSchema,
  needs: ["data"],
  of: "regression",
  goals: {
    "regression/mean_squared_error": "minimize",
    "regression/mean_absolute_error": "minimize",
    "regression/pearson": "maximize",
    "regression/spearman": "maximize",
  },
  samples: [{}, { split: "train", max_examples: 5, batch_size: 3 }],
  check: ({ shape, data }, options) => {
    refuseOthers(shape);
    getSplit(data, options.split);
    matchLabels(data?.labels, getHead(shape.config));
  },
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    const { mean_squared_error, mean_absolute_error, pearson: linear, spearman, variance } = details;
    const formatCorrelation = (correlation: number | null) => correlation?.toFixed(4) ?? "not defined";
    return {
      values: {
        "regression/mean_squared_error": mean_squared_error,
        "regression/mean_absolute_error": mean_absolute_error,
        ...(linear === null ? {} : { "regression/pearson": linear }),
        ...(spearman === null ? {} : { "regression/spearman": spearman }),
      },
      lines: [
        `Pearson ${formatCorrelation(linear)}, Spearman ${formatCorrelation(spearman)}; mean squared error ${mean_squared_error.toFixed(4)} (always predicting the mean gives ${variance.toFixed(4)}), mean absolute error ${mean_absolute_error.toFixed(4)}`,
        `${details.data}, ${details.split} split, ${details.examples} examples`,
        ...(linear === null
          ? ["The correlations are undefined, because all predictions or all labels are equal."]
          : []),
      ],
      details,
    };
  },
});

function refuseOthers({ config }: ModelShape): void {
  const head = getHead(config);
  if (head?.kind === "regression") return;
  throw new WorkbenchError(
    "invalid-input",
    head === undefined
      ? "This is a language model, not a regression model. Train it first on rows with numeric labels: a train cell whose data sets data.label_column and problem_type: regression."
      : `This is a ${head.names.length}-class classifier, not a regression model. Evaluate it with classification.`,
  );
}

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<Regression> {
  refuseOthers(subject.shape);
  getSplit(subject.data, options.split);
  const data = matchToModel(subject.data!, { kind: "regression" });
  const truths: number[] = [];
  const predictions: number[] = [];
  for await (const { logits, truth } of computeHeadOutputs(
    subject,
    getSplit(data, options.split),
    options,
    lab,
  )) {
    truths.push(truth);
    predictions.push(logits[0]!);
  }
  const errors = truths.map((truth, i) => predictions[i]! - truth);
  const mean = computeMean(truths);
  return {
    split: options.split,
    data: data.title,
    examples: truths.length,
    mean_squared_error: computeMean(errors.map((error) => error ** 2)),
    mean_absolute_error: computeMean(errors.map(Math.abs)),
    pearson: pearson(predictions, truths),
    spearman: pearson(computeAverageRanks(predictions), computeAverageRanks(truths)),
    variance: computeMean(truths.map((truth) => (truth - mean) ** 2)),
  };
}

function computeMean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}
