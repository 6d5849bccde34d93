/** A method is a published way to make a model smaller, from a checkpoint to a checkpoint. Each is one file; methods never import each other. */
import * as z from "zod";
import type { ModelCounts } from "../../protocol/counts";
import { countModel } from "../models/accounting";
import type { ModelShape } from "../models/model";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensors } from "../checkpoints/safetensors";
import type { Batch } from "../data/split";
import type { Trainee } from "../training/trainee";
import type { Algebra } from "./algebra/products";
import type { Gradients } from "./calibration/gradients";
import type { Calibration } from "./calibration/batches";
import type { LayerTap, Observations, Tap } from "./calibration/observe";
import type { LayerReader } from "./calibration/readLayers";
import type { MethodTraining } from "./training";

/** What a method may use besides the model. */
export interface Lab {
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Matrix products, on the engine if they are large. */
  readonly algebra: Algebra;
  /** Collects statistics of the inputs of these roles, and of every layer with `layerTap`; see `observe.ts`. */
  observe(
    model: Pick<Checkpoint, "shape" | "tensors">,
    taps: ReadonlyMap<string, Tap>,
    calibration: Calibration,
    layerTap?: LayerTap,
  ): Promise<Observations>;
  /** Yields the sequences of the calibration text, as ids of tokens. */
  readTokens(calibration: Calibration): Iterable<Batch>;
  /** Reads the text layer by layer; see `readLayers.ts`. */
  readLayers(
    original: Pick<Checkpoint, "shape" | "tensors">,
    readsOriginal: boolean,
    calibration: Calibration,
  ): Promise<LayerReader>;
  /** Computes gradients of the loss on the experiment's text by tensor name; see `gradients.ts`. */
  gradients(
    model: Pick<Checkpoint, "shape" | "tensors">,
    names: ReadonlySet<string>,
    calibration: Calibration,
  ): Promise<Gradients>;
  /**
   * Yields the loss of each of several models of one shape on the same text, by forward passes alone; see `losses.ts`. Tensors
   * that two models share are read once.
   */
  losses(shape: ModelShape, models: Iterable<HostTensors>, calibration: Calibration): AsyncIterable<number>;
  /** Trains the model further on the experiment's text; throws `cancelled` if the run is stopped. */
  train(model: Checkpoint, training: MethodTraining): Promise<Checkpoint>;
  /** Trains any other module, such as a model with fake-quantized weights; `teacher` holds the teacher's tensors. */
  fit(
    trainee: Trainee,
    tensors: HostTensors,
    training: MethodTraining,
    teacher?: HostTensors,
  ): Promise<HostTensors>;
  /**
   * Measures one number of the model by its name in curves: `eval/loss` on the validation split, or a metric such as
   * `perplexity/token`. `sequences` limits how much of the validation split `eval/loss` reads, from its start. Models of the
   * same shape share one compiled program.
   */
  evaluate(model: Checkpoint, metric: string, sequences?: number): Promise<number>;
  /** Keeps what is done so far, so that an interrupted run continues there; left out where nothing is kept. */
  readonly partial?: PartialResults | undefined;
  /** Records an attempt and its outcome with the run. */
  trial(trial: Trial): void;
  progress(done: number, total: number, what: string): void;
  log(message: string): void;
}

/** A model of which only the first parts are done. */
export interface PartialResult {
  readonly model: Checkpoint;
  readonly done: number;
}

/** The unfinished result of one method with its options. `parts` names all parts of the work on the model `before`. */
export interface PartialResults {
  /** What an interrupted attempt at the same work left. */
  load(before: Checkpoint, parts: readonly string[]): PartialResult | undefined;
  /**
   * Keeps this result, unless one was kept a moment ago and little was added. Returns the same model, of which memory no longer
   * holds the tensors that were written.
   */
  save(before: Checkpoint, parts: readonly string[], result: PartialResult): Checkpoint;
}

/** One attempt of a strategy. */
export interface Trial {
  readonly method: string;
  readonly rate: number;
  /** The model to which the rate was applied: the result of the rate before it, or the original one. */
  readonly from: "previous" | "original";
  readonly metric: string;
  readonly value: number;
  readonly accepted: boolean;
  readonly shape: ModelShape;
}

/** The outcome of a method, predicted from the shape alone. */
export interface Plan {
  readonly shape: ModelShape;
  readonly before: ModelCounts;
  readonly after: ModelCounts;
  /** Which of the predicted counts are exact: those of every role, only the total, or none: they are an upper or a lower bound. */
  readonly exact: "roles" | "total" | "most" | "least";
}

export interface Method<O> {
  readonly title: string;
  /** The publication. */
  readonly paper?: string;
  readonly options: z.ZodType<O>;
  /**
   * The option for how much is removed, from 0 for nothing to 1 for everything. Strategies raise it, and figures plot against
   * it. Left out for a method that has one size, or that removes nothing and only prepares a model for another one.
   */
  readonly rate?: keyof O & string;
  /** Values of the rate in order of increasing compression, if it counts something else, such as bits. None leaves the model unchanged. */
  readonly levels?: readonly number[];
  /** What the experiment must provide besides the model; calibration and training read `text`. */
  needs?(options: O): readonly ("text" | "teacher")[];
  /** Options worth testing; contract tests apply each to every family. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  /** Predicts the outcome without data and weights; throws with the reason if the method cannot be applied. */
  plan(before: ModelShape, options: O): Plan;
  apply(before: Checkpoint, options: O, lab: Lab): Promise<Checkpoint>;
}

/** An option from 0 for nothing to 1 for everything. */
export function createShareOption(defaultValue: number, description: string) {
  return z.number().min(0).max(1).default(defaultValue).describe(description);
}

// The catalog holds methods with any options; each parses its own before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyMethod = Method<any>;

export function defineMethod<O>(method: Method<O>): Method<O> {
  return method;
}

export function planBetween(before: ModelShape, after: ModelShape, exact: Plan["exact"]): Plan {
  return { shape: after, before: countModel(before), after: countModel(after), exact };
}
