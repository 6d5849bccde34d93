/** Scores of a classifier on a split: the metrics of scikit-learn, with intervals over the examples. */
import { computeCalibration } from "../../statistics/calibration";
import { findExtremes } from "../../statistics/extremes";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Split } from "../data/split";
import { findClass, matchLabels, matchToModel } from "../data/labels";
import { type Head, getHead } from "../models/classifier";
import type { ModelShape } from "../models/model";
import { bootstrap, type ClassScores, computeScores } from "./classScores";
import { computeHeadOutputs } from "./headOutputs";
import { defineMetric, type EvaluationLab, getSplit, type Subject } from "./metric";

const optionsSchema = z.strictObject({
  split: z.enum(["validation", "test", "train"]).default("validation").describe("Split to classify."),
  positive_label: z
    .string()
    .optional()
    .describe(
      "Class for precision, recall and F1. The default is the last of two classes; with more classes, the mean over all of them.",
    ),
  max_examples: z
    .int()
    .min(1)
    .optional()
    .describe("Classify only this many examples, from the start of the split."),
  batch_size: z.int().min(1).default(16).describe("Examples per batch. Affects only time and memory."),
  resamples: z
    .int()
    .min(0)
    .default(1000)
    .describe("Bootstrap resamples of the examples for 95 % intervals; 0 disables them."),
});
type Options = z.output<typeof optionsSchema>;

export interface Classification extends ClassScores {
  readonly split: string;
  readonly data: string;
  readonly labels: readonly string[];
  readonly positive: string | null;
  /** Rows are the true classes, columns the predicted ones. */
  readonly confusion: readonly (readonly number[])[];
  readonly examples: number;
  /** How labels of the data were mapped to classes of the model, if they differ. */
  readonly notice?: string;
  /** Fraction of the most frequent class: the accuracy of always predicting it. */
  readonly majority: number;
  /** Expected calibration error of the probability of the predicted class, with 15 bins. */
  readonly ece: number;
  /** 95 % percentile intervals over the examples. */
  readonly intervals: Readonly<Record<string, readonly [number, number]>>;
}

export default defineMetric<Options, Classification>({
  title: "Classification",
  options: optionsSchema,
  needs: ["data"],
  of: "classifier",
  goals: {
    "classification/accuracy": "maximize",
    "classification/precision": "maximize",
    "classification/recall": "maximize",
    "classification/f1": "maximize",
    "classification/f1_macro": "maximize",
    "classification/f1_weighted": "maximize",
    "classification/matthews": "maximize",
    "classification/loss": "minimize",
    "classification/ece": "minimize",
  },
  samples: [{}, { split: "train", max_examples: 5, positive_label: "odd", resamples: 10 }],
  check: ({ shape, data }, options) => {
    const { names } = getClasses(shape);
    if (options.positive_label !== undefined) findPositiveClass(options.positive_label, names);
    getSplit(data, options.split);
    matchLabels(data?.labels, getHead(shape.config));
  },
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    const { accuracy, precision, recall, f1, f1_macro, f1_weighted, matthews, loss, intervals, majority } =
      details;
    const within = (name: string) => {
      const range = intervals[name];
      return range === undefined ? "" : ` (95 % ${range[0].toFixed(4)} to ${range[1].toFixed(4)})`;
    };
    return {
      values: {
        "classification/accuracy": accuracy,
        "classification/precision": precision,
        "classification/recall": recall,
        "classification/f1": f1,
        "classification/f1_macro": f1_macro,
        "classification/f1_weighted": f1_weighted,
        "classification/matthews": matthews,
        "classification/loss": loss,
        "classification/ece": details.ece,
      },
      lines: [
        `accuracy ${accuracy.toFixed(4)}${within("accuracy")}; always predicting the most frequent class gives ${majority.toFixed(4)}`,
        `F1 ${f1.toFixed(4)}${within("f1")}${details.positive === null ? " (mean of the classes)" : ` of ${details.positive}`}, macro ${f1_macro.toFixed(4)}, weighted ${f1_weighted.toFixed(4)}; Matthews ${matthews.toFixed(4)}${within("matthews")}; loss ${loss.toFixed(4)} nats, expected calibration error ${details.ece.toFixed(4)}`,
        ...(details.notice === undefined ? [] : [details.notice]),
        `${details.data}, ${details.split} split, ${details.examples} examples; confusion ${details.confusion.map((row, i) => `${details.labels[i]!}: ${row.join(" ")}`).join("; ")}`,
        ...(details.undefined_scores.length === 0
          ? []
          : [
              `Never predicted, so their precision counts as 0: ${details.undefined_scores.map((at) => details.labels[at]!).join(", ")}.`,
            ]),
      ],
      details,
    };
  },
});

type Classes = Extract<Head, { kind: "classes" }>;

function getClasses({ config }: ModelShape): Classes {
  const head = getHead(config);
  if (head?.kind === "classes") return head;
  throw new WorkbenchError(
    "invalid-input",
    head === undefined
      ? "This is a language model, not a classifier. Train it first on labeled rows: a train cell whose data sets data.label_column, or a data set such as sms-spam."
      : "This is a regression model, which has no classes. Evaluate it with regression.",
  );
}

function findPositiveClass(label: string, names: readonly string[]): number {
  const at = findClass(label, names);
  if (at !== undefined) return at;
  throw new WorkbenchError(
    "invalid-input",
    `positive_label ${JSON.stringify(label)} is not a class of the model. Allowed: ${names.join(", ")}.`,
    { allowed: names },
  );
}

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<Classification> {
  const head = getClasses(subject.shape);
  getSplit(subject.data, options.split);
  const { notice, ...data } = matchToModel(subject.data!, head);
  const { truths, predictions, losses, confidences } = await classify(
    subject,
    getSplit(data, options.split),
    options,
    lab,
  );
  const { names: labels } = head;
  const classes = labels.length;
  const positive =
    options.positive_label !== undefined
      ? findPositiveClass(options.positive_label, labels)
      : classes === 2
        ? 1
        : undefined;
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  truths.forEach((truth, i) => confusion[truth]![predictions[i]!]!++);
  const counts = confusion.map((row) => row.reduce((sum, each) => sum + each, 0));
  return {
    split: options.split,
    data: data.title,
    labels,
    positive: positive === undefined ? null : labels[positive]!,
    confusion,
    examples: truths.length,
    ...(notice === undefined ? {} : { notice }),
    majority: findExtremes(counts).max / truths.length,
    ...computeScores(confusion, positive, losses),
    ece: computeCalibration(
      confidences,
      truths.map((truth, i) => truth === predictions[i]),
      calibrationBins,
    ).ece,
    intervals: bootstrap(truths, predictions, {
      classes,
      positive,
      resamples: options.resamples,
      seed: lab.seed,
    }),
  };
}

/** As in Guo et al. 2017. */
const calibrationBins = 15;

/** The class of the largest logit at the last token of each example with its probability, and the cross-entropy of the true one. */
async function classify(
  subject: Subject,
  split: Split,
  options: Options,
  lab: EvaluationLab,
): Promise<{ truths: number[]; predictions: number[]; losses: number[]; confidences: number[] }> {
  const [truths, predictions, losses, confidences]: [number[], number[], number[], number[]] = [
    [],
    [],
    [],
    [],
  ];
  for await (const { logits, truth } of computeHeadOutputs(subject, split, options, lab)) {
    const top = findExtremes(logits).max;
    const total = logits.reduce((sum, each) => sum + Math.exp(each - top), 0);
    truths.push(truth);
    predictions.push(logits.indexOf(top));
    losses.push(top + Math.log(total) - logits[truth]!);
    confidences.push(1 / total);
  }
  return { truths, predictions, losses, confidences };
}
