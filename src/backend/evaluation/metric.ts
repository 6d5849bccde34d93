/** What a metric is: it measures a model and says by which protocol. One file a metric; who asks, and where results go, is not its business. */
import type { z } from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Goals } from "../../schema/goal";
import type { Labels } from "../data/labels";
import type { Split } from "../data/split";
import type { Tokenizer } from "../data/tokenizers/tokenizer";
import type { Engine } from "../engine/engine";
import type { ModelShape } from "../models/model";
import type { HostTensors } from "../checkpoints/safetensors";
import type { WrittenFile } from "../models/accounting";

/** The model to be measured, with what belongs to it. */
export interface Subject {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  readonly tokenizer?: Tokenizer | undefined;
  readonly data?: EvaluationData | undefined;
  /** The model's file, where it has been written. */
  readonly file?: WrittenFile | undefined;
}

export interface EvaluationData {
  /** What a reader knows the data by: the name of a data set, or its files. */
  readonly title: string;
  /** Where rows have some. */
  readonly labels?: Labels | undefined;
  readonly train: Split;
  readonly validation: Split | undefined;
  readonly test: Split | undefined;
}

/** All that a metric may use besides the model. */
export interface EvaluationLab {
  readonly engine: Engine;
  readonly seed: number;
  readonly signal: AbortSignal;
  progress(done: number, total: number, what: string): void;
  /** A line that need not wait for the end; `Measured.lines` has it again. */
  log?(line: string): void;
}

export interface Measured<D> {
  /** Numbers by name, for curves and comparisons: `perplexity/token`. */
  readonly values: Readonly<Record<`${string}/${string}`, number>>;
  /** What a terminal or a log shows. */
  readonly lines: readonly string[];
  /** Everything that was found, as plain data. */
  readonly details: D;
}

export interface Metric<O, D> {
  readonly title: string;
  readonly options: z.ZodType<O>;
  /** What the subject has to bring besides the model. */
  readonly needs: readonly ("data" | "tokenizer")[];
  /** It measures the machine as well, so that no two measurements are equal. */
  readonly changes?: boolean;
  /** What kind of model it measures; a language model unless it says so, and any where it says nothing of predictions. */
  readonly of?: "encoder" | "classifier" | "regression";
  /** Which way each of its values is better. Leave out a value that is neither. */
  readonly goals: Goals;
  /** Options worth testing; contract tests measure every family with each. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  /** Refuses a kind of model that it does not measure, and names what does. */
  checkModel?(shape: ModelShape): void;
  /** Refuses what this model or this text cannot give, before anything is trained for it. */
  check?(subject: Pick<Subject, "shape" | "data" | "tokenizer">, options: O): void | Promise<void>;
  evaluate(subject: Subject, options: O, lab: EvaluationLab): Promise<Measured<D>>;
}

// The catalog holds metrics of any options and results; each parses its own options before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyMetric = Metric<any, any>;

export function defineMetric<O, D>(metric: Metric<O, D>): Metric<O, D> {
  return metric;
}

export function splitOf(data: EvaluationData | undefined, name: "train" | "validation" | "test"): Split {
  if (data === undefined)
    throw new WorkbenchError(
      "invalid-input",
      "There is no text to evaluate on. Give a data cell, or --data.",
    );
  const split = data[name];
  if (split !== undefined) return split;
  const present = (["train", "validation", "test"] as const).filter((each) => data[each] !== undefined);
  const advice =
    name === "test"
      ? "Name files in data.test_text"
      : "Raise data.val_fraction or name files in data.validation_text";
  throw new WorkbenchError(
    "invalid-input",
    `${data.title} has no ${name} split, only ${present.join(" and ")}. ${advice}, or choose another split.`,
    { allowed: present },
  );
}

export function tokenizerOf({ tokenizer }: Subject): Tokenizer {
  if (tokenizer === undefined)
    throw new WorkbenchError(
      "invalid-input",
      "No tokenizer is known for this model. Name one with --tokenizer, or in the data cell.",
    );
  return tokenizer;
}
