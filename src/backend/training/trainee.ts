/** What is trained, and what it learns from; and a model's shape as such. */
import type { LossWeights } from "../../schema/teacher";
import type { Value } from "../graph/op";
import type { Dimensions, ForwardOptions, ModelInputs } from "../models/family";
import { headOf } from "../models/classifier";
import { dimensionsOf, hiddenStates, logits, type ModelShape, parametersOf } from "../models/model";
import type { ParameterSpec } from "../representations/representation";

/** What is trained: parameters by name and the forward function over them. */
export interface Trainee {
  readonly parameters: readonly ParameterSpec[];
  readonly dimensions: Dimensions;
  /** The model that it is, where it is one. */
  readonly shape?: ModelShape;
  /** What the head reads: [batch · time, width]. */
  hidden(weights: (name: string) => Value, inputs: ModelInputs, options: ForwardOptions): Value;
  /** The head: [rows, width] → logits [rows, vocabulary]. */
  logits(weights: (name: string) => Value, hidden: Value): Value;
  /** Whether the head predicts numbers, which the loss is the squared distance to, instead of the classes of labels. */
  readonly isRegression?: boolean;
  /** Counts in training alone: an evaluation is about the labels. */
  readonly teacher?: Teacher | undefined;
}

/** What a model learns from beside its labels. */
export interface Teacher extends LossWeights {
  readonly trainee: Trainee;
  /** The layer of the teacher for each of the model's own. */
  readonly layers: readonly number[];
  /** Of its distribution only so many tokens, which the step is fed; otherwise the teacher is a part of the step. */
  readonly topK?: number | undefined;
}

export function traineeOf(shape: ModelShape, teacher?: Teacher): Trainee {
  return {
    parameters: parametersOf(shape),
    dimensions: dimensionsOf(shape),
    shape,
    hidden: (weights, inputs, options) => hiddenStates(shape, weights, inputs, options),
    logits: (weights, hidden) => logits(shape, weights, hidden),
    isRegression: headOf(shape.config)?.kind === "regression",
    teacher,
  };
}
