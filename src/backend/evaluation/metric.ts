/** Interface of a metric, which measures a model by a protocol. Each metric is one file and does not depend on its caller. */
import type { z } from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { LossProtocols } from "../../protocol/lossProtocol";
import type { Goals } from "../../schema/goal";
import type { InferencePart } from "../../schema/inference";
import type { Labels } from "../data/labels";
import type { Split } from "../data/split";
import type { Tokenizer } from "../data/tokenizers/tokenizer";
import type { Engine, Tensors } from "../engine/engine";
import type { ModelShape } from "../models/model";
import type { HostTensors } from "../checkpoints/safetensors";
import type { WrittenFile } from "../models/accounting";
import type { Inference, SupportedInference } from "./inference";

/** The model to measure, with its tokenizer and data. */
export interface Subject {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  readonly tokenizer?: Tokenizer | undefined;
  readonly data?: EvaluationData | undefined;
  /** The model's file, if it has been written. */
  readonly file?: WrittenFile | undefined;
  /** How the model runs; by default with a cache of all tokens. */
  readonly inference?: Inference | undefined;
  /** The weights on the device, if several measurements share them. */
  readonly weights?: (() => Tensors) | undefined;
}

export interface EvaluationData {
  /** Display name of the data: the name of a data set, or its files. */
  readonly title: string;
  /** The labels, if rows have them. */
  readonly labels?: Labels | undefined;
  readonly train: Split;
  readonly validation: Split | undefined;
  readonly test: Split | undefined;
}

/** Where a metric finds files of its own. */
export interface EvaluationPlaces {
  /** Folder of relative paths. */
  readonly baseFolder: string;
  /** Folder for downloads. */
  readonly cacheFolder: string;
}

/** Everything that a metric may use besides the model. */
export interface EvaluationLab {
  readonly engine: Engine;
  readonly seed: number;
  readonly signal: AbortSignal;
  progress(done: number, total: number, what: string): void;
  /** Shows a line before the evaluation ends; `Measurement.lines` contains it too. */
  log?(line: string): void;
  /** Reads another model with its tokenizer, by a name as for `base_model`. */
  readonly openModel?: (name: string) => Promise<Pick<Subject, "shape" | "tensors" | "tokenizer">>;
  /** By default the working directory and the cache folder of the system. */
  readonly places?: EvaluationPlaces;
}

export interface Measurement<D> {
  /** Numbers by name, for curves and comparisons: `perplexity/token`. */
  readonly values: Readonly<Record<`${string}/${string}`, number>>;
  /** Lines for a terminal or a log. */
  readonly lines: readonly string[];
  /** How values were measured, by name, where it decides which others they may be compared with. */
  readonly protocols?: LossProtocols;
  /** All results, as plain data. */
  readonly details: D;
  /** Texts by file name, to be kept beside the results. */
  readonly files?: Readonly<Record<string, string>>;
}

export interface Metric<O, D> {
  readonly title: string;
  readonly options: z.ZodType<O>;
  /** Parts that the subject must have besides the model. */
  readonly needs: readonly ("data" | "tokenizer")[];
  /** What it needs in addition where the model runs with a part. */
  readonly needsWith?: Readonly<Partial<Record<InferencePart, readonly ("data" | "tokenizer")[]>>>;
  /** Whether results vary between measurements, because they also depend on the machine. */
  readonly changes?: boolean;
  /** Kind of model that the metric supports, if it is not a language model. Metrics that do not use predictions support any. */
  readonly of?: "encoder" | "classifier" | "regression";
  /** Whether to minimize or maximize each value. Omit a value that has no better direction. */
  readonly goals: Goals;
  /**
   * Parts of `Subject.inference` that the results reflect. A metric that does not run the model supports `any`; other parts are
   * refused.
   */
  readonly inference?: SupportedInference;
  /** Options for contract tests, which measure every family with each. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  /** Refuses an unsupported kind of model, and names a metric that supports it. */
  checkModel?(shape: ModelShape): void;
  /** Whether it reads files that are not part of the data, so that equal options do not mean equal results. */
  readsFiles?(options: O): boolean;
  /**
   * Tokens that its longest text has at least, prompt and generated ones together, if its options or the length of training
   * sequences determine it. A plan checks the inference by it before data is read.
   */
  countTokens?(shape: ModelShape, options: O, sequenceLength: number | undefined): number | undefined;
  /** Refuses options that this model or data cannot satisfy, before any training starts. */
  check?(
    subject: Pick<Subject, "shape" | "data" | "tokenizer" | "inference">,
    options: O,
    places: EvaluationPlaces,
  ): void | Promise<void>;
  evaluate(subject: Subject, options: O, lab: EvaluationLab): Promise<Measurement<D>>;
}

// The catalog holds metrics of any options and results; each parses its own options before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyMetric = Metric<any, any>;

export function defineMetric<O, D>(metric: Metric<O, D>): Metric<O, D> {
  return metric;
}

export function getSplit(data: EvaluationData | undefined, name: "train" | "validation" | "test"): Split {
  if (data === undefined)
    throw new WorkbenchError(
      "invalid-input",
      "There is no text to evaluate on. Add a data cell, or pass --data.",
    );
  const split = data[name];
  if (split !== undefined) return split;
  const present = (["train", "validation", "test"] as const).filter((each) => data[each] !== undefined);
  const advice =
    name === "test" ? "Set data.test_text" : "Raise data.val_fraction or set data.validation_text";
  throw new WorkbenchError(
    "invalid-input",
    `${data.title} has no ${name} split, only ${present.join(" and ")}. ${advice}, or choose another split.`,
    { allowed: present },
  );
}

export function getTokenizer({ tokenizer }: Subject): Tokenizer {
  if (tokenizer === undefined)
    throw new WorkbenchError(
      "invalid-input",
      "This model has no tokenizer. Set one with --tokenizer, or in the data cell.",
    );
  return tokenizer;
}
