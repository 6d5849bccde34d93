/** How well a model tells the classes of a split apart: the measures of scikit-learn, with intervals over the examples. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { IGNORED, type Split } from "../data/split";
import { labelCount, labelNames } from "../models/classifier";
import { bootstrap, type ClassScores, scoresOf } from "./classScores";
import { ForwardProgram } from "./forwardProgram";
import { defineMetric, type EvaluationLab, splitOf, type Subject } from "./metric";

const options = z.strictObject({
  split: z.enum(["validation", "test", "train"]).default("validation").describe("Which split is classified."),
  positive_label: z
    .string()
    .optional()
    .describe(
      "The class that precision, recall and F1 are of; the last one when left out, and the mean of all where there are more than two.",
    ),
  max_examples: z.int().min(1).optional().describe("Classify only the first examples of the split."),
  batch_size: z
    .int()
    .min(1)
    .default(16)
    .describe("Examples at a time, which changes nothing but time and memory."),
  resamples: z
    .int()
    .min(0)
    .default(1000)
    .describe("Draws of the examples with replacement, for 95 % intervals; 0 gives none."),
});
type Options = z.output<typeof options>;

export interface Classification extends ClassScores {
  readonly split: string;
  readonly data: string;
  readonly labels: readonly string[];
  readonly positive: string | null;
  /** Rows are the true classes, columns what the model said. */
  readonly confusion: readonly (readonly number[])[];
  readonly examples: number;
  /** Share of the most frequent class: what who always says it gets right. */
  readonly majority: number;
  /** 95 % percentile intervals over the examples. */
  readonly intervals: Readonly<Record<string, readonly [number, number]>>;
}

export default defineMetric<Options, Classification>({
  title: "Classification",
  options,
  needs: ["data"],
  of: "classifier",
  samples: [{}, { split: "train", max_examples: 5, positive_label: "odd", resamples: 10 }],
  check: ({ shape, data }, given) => {
    if (labelCount(shape.config) === undefined) throw noClassifier();
    const names = labelNames(shape.config);
    if (given.positive_label !== undefined && !names.includes(given.positive_label))
      throw new WorkbenchError(
        "invalid-input",
        `positive_label ${JSON.stringify(given.positive_label)} is no class; classes are ${names.join(", ")}.`,
        { allowed: names },
      );
    splitOf(data, given.split);
  },
  evaluate: async (subject, given, lab) => {
    const details = await measure(subject, given, lab);
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
      },
      lines: [
        `accuracy ${accuracy.toFixed(4)}${within("accuracy")}; who always says the most frequent class has ${majority.toFixed(4)}`,
        `F1 ${f1.toFixed(4)}${within("f1")}${details.positive === null ? " (mean of the classes)" : ` of ${details.positive}`}, macro ${f1_macro.toFixed(4)}, weighted ${f1_weighted.toFixed(4)}; Matthews ${matthews.toFixed(4)}${within("matthews")}; loss ${loss.toFixed(4)} nats`,
        `${details.data}, ${details.split} split, ${details.examples} examples; confusion ${details.confusion.map((row, i) => `${details.labels[i]!}: ${row.join(" ")}`).join("; ")}`,
        ...(details.undefined_scores.length === 0
          ? []
          : [
              `Never said, so that their precision is taken as 0: ${details.undefined_scores.map((at) => details.labels[at]!).join(", ")}.`,
            ]),
      ],
      details,
    };
  },
});

function noClassifier(): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    "The model has no head that tells classes apart. Train it on rows with labels first: a train cell whose data names data.label_column, or a data set such as sms-spam.",
  );
}

async function measure(subject: Subject, given: Options, lab: EvaluationLab): Promise<Classification> {
  const classes = labelCount(subject.shape.config);
  if (classes === undefined) throw noClassifier();
  const split = splitOf(subject.data, given.split);
  const { truths, predictions, losses } = await classify(subject, split, classes, given, lab);
  const labels = labelNames(subject.shape.config);
  const positive =
    given.positive_label !== undefined ? labels.indexOf(given.positive_label) : classes === 2 ? 1 : undefined;
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  truths.forEach((truth, i) => confusion[truth]![predictions[i]!]!++);
  const counts = confusion.map((row) => row.reduce((sum, each) => sum + each, 0));
  return {
    split: given.split,
    data: subject.data!.title,
    labels,
    positive: positive === undefined ? null : labels[positive]!,
    confusion,
    examples: truths.length,
    majority: Math.max(...counts) / truths.length,
    ...scoresOf(confusion, positive, losses),
    intervals: bootstrap(truths, predictions, {
      classes,
      positive,
      resamples: given.resamples,
      seed: lab.seed,
    }),
  };
}

/** The class of the largest logit at the last token of each example. */
async function classify(
  subject: Subject,
  split: Split,
  classes: number,
  { batch_size: rows, max_examples: most = Infinity }: Options,
  lab: EvaluationLab,
): Promise<{ truths: number[]; predictions: number[]; losses: number[] }> {
  const examples = Math.min(most, split.sequences);
  const size = { batch: rows, time: split.layout.sequenceLength, rows };
  await using program = await ForwardProgram.open(lab.engine, subject, size, (logits) => logits);
  const [truths, predictions, losses]: number[][] = [[], [], []];
  for (const { tokens, labels, length } of split.batches(rows, Math.ceil(examples / rows))) {
    const places = Array.from({ length: rows }, (_, row) =>
      labels.subarray(row * length, (row + 1) * length).findLastIndex((label) => label !== IGNORED),
    );
    const at = Int32Array.from(places, (place, row) => row * length + Math.max(0, place));
    const logits = await program.ask({ tokens, rows: at }, lab.signal);
    places.forEach((place, row) => {
      if (place < 0 || truths!.length >= examples) return;
      const own = logits.subarray(row * classes, (row + 1) * classes);
      const truth = labels[row * length + place]!;
      if (truth >= classes)
        throw new WorkbenchError(
          "invalid-input",
          `An example of class ${truth} for a head of ${classes} classes: this data has other labels than the model was trained on.`,
        );
      const top = Math.max(...own);
      truths!.push(truth);
      predictions!.push(own.indexOf(top));
      losses!.push(top + Math.log(own.reduce((sum, each) => sum + Math.exp(each - top), 0)) - own[truth]!);
    });
    lab.progress(truths!.length, examples, "examples");
  }
  if (truths!.length === 0)
    throw new WorkbenchError(
      "invalid-input",
      "No row of this data has a label. Name data.label_column, or a data set of examples with classes.",
    );
  return { truths: truths!, predictions: predictions!, losses: losses! };
}
