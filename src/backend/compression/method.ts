/** What a method is: a published way to make a model smaller, from a checkpoint to a checkpoint. One file a method; they never import each other. */
import * as z from "zod";
import type { ModelCounts } from "../../protocol/counts";
import { countModel } from "../models/accounting";
import type { ModelShape } from "../models/model";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensors } from "../checkpoints/safetensors";
import type { Trainee } from "../training/trainee";
import type { Gradients } from "./calibration/gradients";
import type { Calibration, Observed, Tap } from "./calibration/observe";
import type { MethodTraining } from "./training";

/** All that a method may use besides the model. */
export interface Lab {
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Statistics of what goes through the matrices of these roles; see `observe.ts`. */
  observe(
    model: Pick<Checkpoint, "shape" | "tensors">,
    taps: ReadonlyMap<string, Tap>,
    calibration: Calibration,
  ): Promise<Observed>;
  /** Gradients of the loss on the experiment's text, of tensors by name; see `gradients.ts`. */
  gradients(
    model: Pick<Checkpoint, "shape" | "tensors">,
    names: ReadonlySet<string>,
    calibration: Calibration,
  ): Promise<Gradients>;
  /** The model after more training on the experiment's text; `cancelled` where the run is to stop. */
  train(model: Checkpoint, training: MethodTraining): Promise<Checkpoint>;
  /** What anything else becomes that is trained, such as a model whose weights are rounded on the way; `teacher` has its teacher's tensors. */
  fit(
    trainee: Trainee,
    tensors: HostTensors,
    training: MethodTraining,
    teacher?: HostTensors,
  ): Promise<HostTensors>;
  /** One number of the model by its name in curves: `eval/loss` on the validation split, or a metric's, such as `perplexity/token`. */
  evaluate(model: Checkpoint, metric: string): Promise<number>;
  /** Keeps what was tried and how it went with the run. */
  trial(trial: Trial): void;
  progress(done: number, total: number, what: string): void;
  log(message: string): void;
}

/** One attempt of a strategy. */
export interface Trial {
  readonly method: string;
  readonly rate: number;
  readonly metric: string;
  readonly value: number;
  readonly accepted: boolean;
  readonly shape: ModelShape;
}

/** What would come out, known from the shape alone. */
export interface Plan {
  readonly shape: ModelShape;
  readonly before: ModelCounts;
  readonly after: ModelCounts;
  /** How far the counts after are exact: for every role, only in total, or as the most or the least that is left. */
  readonly exact: "roles" | "total" | "most" | "least";
}

export interface Method<O> {
  readonly title: string;
  /** Where it was published. */
  readonly paper?: string;
  readonly options: z.ZodType<O>;
  /** The option that says how much goes, from 0 for nothing to 1 for all: what strategies raise and figures draw along. */
  readonly rate: keyof O & string;
  /** Values of it that take more and more, where it counts something else, such as bits, and none of them takes nothing. */
  readonly levels?: readonly number[];
  /** What the experiment has to bring besides the model; text is what calibration and training read. */
  needs?(options: O): readonly ("text" | "teacher")[];
  /** Options worth testing; contract tests apply each to every family. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  /** What would come out, without data and without weights; refuses with the reason. */
  plan(before: ModelShape, options: O): Plan;
  apply(before: Checkpoint, options: O, lab: Lab): Promise<Checkpoint>;
}

/** An option from 0 for nothing to 1 for all. */
export function shareOption(usual: number, description: string) {
  return z.number().min(0).max(1).default(usual).describe(description);
}

// The catalog holds methods of any options; each parses its own before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyMethod = Method<any>;

export function defineMethod<O>(method: Method<O>): Method<O> {
  return method;
}

export function planBetween(before: ModelShape, after: ModelShape, exact: Plan["exact"]): Plan {
  return { shape: after, before: countModel(before), after: countModel(after), exact };
}
