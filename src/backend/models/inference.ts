/** Prepares a model for inference: stores matrices in the runtime's own formats where it has better ones than floats. */
import type { Value } from "../graph/op";
import type { Inference, ParameterSpec, StoredTensor, ValueSource } from "../representations/representation";
import type { ForwardOptions, ModelInputs } from "./family";
import {
  buildHiddenStates,
  forward,
  listMatrixSlots,
  type ModelShape,
  parametersOf,
  createValue,
} from "./model";
import { getInference, type InferenceTarget } from "./weights";

/** `forward` over `listInferenceParameters`, which are inputs of the graph by their names. */
export function buildInferenceForward(
  shape: ModelShape,
  inputs: ModelInputs,
  options: ForwardOptions = {},
  target: InferenceTarget = "engine",
): Value {
  return forward(shape, createInferenceSource(shape, target), inputs, { ...options, inference: target });
}

/** The same for the hidden states below the head, [batch · time, width]. */
export function buildInferenceHidden(shape: ModelShape, inputs: ModelInputs, target: InferenceTarget): Value {
  return buildHiddenStates(shape, createInferenceSource(shape, target), inputs, { inference: target });
}

/** Returns the tensors of `listInferenceParameters` as graph values, by name. */
export function createInferenceSource(shape: ModelShape, target: InferenceTarget = "engine"): ValueSource {
  const values = new Map(
    listInferenceParameters(shape, target).map((spec) => [spec.name, createValue(spec)]),
  );
  return (name) => values.get(name)!;
}

/** Lists the tensors that an inference pass reads. */
export function listInferenceParameters(
  shape: ModelShape,
  target: InferenceTarget = "engine",
): ParameterSpec[] {
  const replaced = findReplacements(shape, target);
  const gone = new Set(replaced.flatMap(({ names }) => names));
  return [
    ...parametersOf(shape).filter(({ name }) => !gone.has(name)),
    ...replaced.flatMap(({ inference }) => inference.parameters),
  ];
}

export function toInferenceTensors<T>(
  shape: ModelShape,
  tensors: ReadonlyMap<string, T | StoredTensor>,
  target: InferenceTarget = "engine",
): ReadonlyMap<string, T | StoredTensor> {
  // A model contains only weights, codes and masks.
  const source = (name: string) => (tensors.get(name) as StoredTensor).data;
  const result = new Map(tensors);
  for (const { names, inference } of findReplacements(shape, target)) {
    for (const name of names) result.delete(name);
    for (const [name, tensor] of inference.tensors(source)) result.set(name, tensor);
  }
  return result;
}

function findReplacements(
  shape: ModelShape,
  target: InferenceTarget,
): { readonly names: readonly string[]; readonly inference: Inference }[] {
  return listMatrixSlots(shape).flatMap(({ stored }) =>
    stored.flatMap((each) => {
      const inference = getInference(each, target);
      if (inference === undefined) return [];
      const inferenceNames = new Set(inference.parameters.map(({ name }) => name));
      const names = each.representation.parameters(each.matrix, each.options).map(({ name }) => name);
      return [{ names: names.filter((name) => !inferenceNames.has(name)), inference }];
    }),
  );
}
