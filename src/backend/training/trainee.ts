/** A trainable model and its teacher. */
import type { PreferenceOptions } from "../../schema/preference";
import type { LossWeights } from "../../schema/teacher";
import type { Value } from "../graph/op";
import type { Dimensions, ForwardOptions, ModelInputs } from "../models/family";
import { getHead } from "../models/classifier";
import { dimensionsOf, buildHiddenStates, buildLogits, type ModelShape, parametersOf } from "../models/model";
import type { ParameterSpec } from "../representations/representation";

/** A trainable model: parameters by name and the forward function over them. */
export interface Trainee {
  readonly parameters: readonly ParameterSpec[];
  readonly dimensions: Dimensions;
  /** Shape of the model, if the trainee is a complete model. */
  readonly shape?: ModelShape;
  /** The input of the head: [batch · time, width]. */
  hidden(weights: (name: string) => Value, inputs: ModelInputs, options: ForwardOptions): Value;
  /** The head: [rows, width] → logits [rows, vocabulary]. */
  logits(weights: (name: string) => Value, hidden: Value): Value;
  /** The loss of each token [n], from what `hidden` returns for it and its label, where it is not that of the logits. */
  loss?(weights: (name: string) => Value, hidden: Value, labels: Value): Value;
  /** The loss of preference pairs, in place of that of the labels. */
  readonly preference?: PreferenceOptions | undefined;
  /** Whether the head predicts numbers, with the squared error as the loss, instead of classes. */
  readonly isRegression?: boolean;
  /** Used only in training; an evaluation uses only the labels. */
  readonly teacher?: Teacher | undefined;
}

/** A teacher that a model learns from in addition to its labels. */
export interface Teacher extends LossWeights {
  readonly trainee: Trainee;
  /** The teacher layer for each layer of the model. */
  readonly layers: readonly number[];
  /** Number of most likely tokens to feed as the teacher's distribution; if undefined, the teacher runs in the step. */
  readonly topK?: number | undefined;
}

export function createTrainee(shape: ModelShape, teacher?: Teacher): Trainee {
  return {
    parameters: parametersOf(shape),
    dimensions: dimensionsOf(shape),
    shape,
    hidden: (weights, inputs, options) => buildHiddenStates(shape, weights, inputs, options),
    logits: (weights, hidden) => buildLogits(shape, weights, hidden),
    isRegression: getHead(shape.config)?.kind === "regression",
    teacher,
  };
}
