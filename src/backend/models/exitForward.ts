/** The graphs of exits: from the hidden state after some layers to logits, and to the scores of the classifier. */
import type { Value } from "../graph/op";
import { add } from "../graph/ops/elementwise";
import { addBias, matmul } from "../graph/ops/matmul";
import type { ValueSource } from "../representations/representation";
import { getExitNames } from "./exits";
import type { ForwardOptions, ModelInputs } from "./family";
import { buildHiddenStates, buildLogits, dimensionsOf, type ModelShape } from "./model";

/** The input of the head at the exit after `layer` layers: [rows, width] → [rows, width]. */
export function buildExitHidden(
  shape: ModelShape,
  weights: ValueSource,
  inputs: ModelInputs,
  layer: number,
  state: Value,
  options: ForwardOptions = {},
): Value {
  const { weight, bias } = getExitNames(layer);
  const change = addBias(matmul(state, weights(weight)), weights(bias));
  // No layer follows; what is left of the model is its last norm.
  const section = { state: add(state, change), from: dimensionsOf(shape).layers };
  return buildHiddenStates(shape, weights, inputs, { ...options, section });
}

/** The logits of the exit after `layer` layers: [rows, width] → [rows, vocabulary]. */
export function buildExitLogits(
  shape: ModelShape,
  weights: ValueSource,
  inputs: ModelInputs,
  layer: number,
  state: Value,
  options: ForwardOptions = {},
): Value {
  return buildLogits(shape, weights, buildExitHidden(shape, weights, inputs, layer, state, options), options);
}

/** The scores of `exitClasses` at the exit after `layer` layers: [rows, width] → [rows, 3]. */
export function buildExitScores(weights: ValueSource, layer: number, state: Value): Value {
  const { classWeight, classBias } = getExitNames(layer);
  return addBias(matmul(state, weights(classWeight)), weights(classBias));
}
