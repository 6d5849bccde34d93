/** Errors of a regression model on a split, and correlations as SciPy computes them. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { matchLabels, matchToModel } from "../data/labels";
import { headOf } from "../models/classifier";
import type { ModelShape } from "../models/model";
import { averageRanks, pearson } from "./correlation";
import { headOutputs } from "./headOutputs";
import { defineMetric, type EvaluationLab, splitOf, type Subject } from "./metric";

const options = z.strictObject({
  split: z.enum(["validation", "test", "train"]).default("validation").describe("Split to predict."),
  max_examples: z
    .int()
    .min(1)
    .optional()
    .describe("Predict only this many examples, from the start of the split."),
  batch_size: z.int().min(1).default(16).describe("Examples per batch. Affects only time and memory."),
});
type Options = z.output<typeof options>;

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
  options,
  needs: ["data"],
  of: "regression",
  goals: {
    "regression/mean_squared_error": "minimize",
    "regression/mean_absolute_error": "minimize",
    "regression/pearson": "maximize",
    "regression/spearman": "maximize",
  },
  samples: [{}, { split: "train", max_examples: 5, batch_size: 3 }],
  check: ({ shape, data }, given) => {
    refuseOthers(shape);
    splitOf(data, given.split);
    matchLabels(data?.labels, headOf(shape.config));
  },
  evaluate: async (subject, given, lab) => {
    const details = await measure(subject, given, lab);
    const { mean_squared_error, mean_absolute_error, pearson: linear, spearman, variance } = details;
    const shown = (correlation: number | null) => correlation?.toFixed(4) ?? "not defined";
    return {
      values: {
        "regression/mean_squared_error": mean_squared_error,
        "regression/mean_absolute_error": mean_absolute_error,
        ...(linear === null ? {} : { "regression/pearson": linear }),
        ...(spearman === null ? {} : { "regression/spearman": spearman }),
      },
      lines: [
        `Pearson ${shown(linear)}, Spearman ${shown(spearman)}; mean squared error ${mean_squared_error.toFixed(4)} (always predicting the mean gives ${variance.toFixed(4)}), mean absolute error ${mean_absolute_error.toFixed(4)}`,
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
  const head = headOf(config);
  if (head?.kind === "regression") return;
  throw new WorkbenchError(
    "invalid-input",
    head === undefined
      ? "This is a language model, not a regression model. Train it first on rows with numeric labels: a train cell whose data sets data.label_column and problem_type: regression."
      : `This is a ${head.names.length}-class classifier, not a regression model. Evaluate it with classification.`,
  );
}

async function measure(subject: Subject, given: Options, lab: EvaluationLab): Promise<Regression> {
  refuseOthers(subject.shape);
  splitOf(subject.data, given.split);
  const data = matchToModel(subject.data!, { kind: "regression" });
  const truths: number[] = [];
  const predictions: number[] = [];
  for await (const { logits, truth } of headOutputs(subject, splitOf(data, given.split), given, lab)) {
    truths.push(truth);
    predictions.push(logits[0]!);
  }
  const errors = truths.map((truth, i) => predictions[i]! - truth);
  const mean = meanOf(truths);
  return {
    split: given.split,
    data: data.title,
    examples: truths.length,
    mean_squared_error: meanOf(errors.map((error) => error ** 2)),
    mean_absolute_error: meanOf(errors.map(Math.abs)),
    pearson: pearson(predictions, truths),
    spearman: pearson(averageRanks(predictions), averageRanks(truths)),
    variance: meanOf(truths.map((truth) => (truth - mean) ** 2)),
  };
}

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}
