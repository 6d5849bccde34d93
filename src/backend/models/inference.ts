/** Prepares a model for inference: stores matrices in the runtime's own formats where it has better ones than floats. */
import type { Value } from "../graph/op";
import type { Inference, ParameterSpec, StoredTensor } from "../representations/representation";
import type { ForwardOptions, ModelInputs } from "./family";
import { forward, matrixSlots, type ModelShape, parametersOf, valueOf } from "./model";
import { inferenceOf, type RunBy } from "./weights";

/** `forward` over `inferenceParameters`, which are inputs of the graph by their names. */
export function inferenceForward(
  shape: ModelShape,
  inputs: ModelInputs,
  options: ForwardOptions = {},
  by: RunBy = "engine",
): Value {
  const values = new Map(inferenceParameters(shape, by).map((spec) => [spec.name, valueOf(spec)]));
  return forward(shape, (name) => values.get(name)!, inputs, { ...options, inference: by });
}

/** Lists the tensors that an inference pass reads. */
export function inferenceParameters(shape: ModelShape, by: RunBy = "engine"): ParameterSpec[] {
  const replaced = replacedIn(shape, by);
  const gone = new Set(replaced.flatMap(({ names }) => names));
  return [
    ...parametersOf(shape).filter(({ name }) => !gone.has(name)),
    ...replaced.flatMap(({ inference }) => inference.parameters),
  ];
}

export function inferenceTensors<T>(
  shape: ModelShape,
  tensors: ReadonlyMap<string, T | StoredTensor>,
  by: RunBy = "engine",
): ReadonlyMap<string, T | StoredTensor> {
  // A model contains only weights, codes and masks.
  const source = (name: string) => (tensors.get(name) as StoredTensor).data;
  const own = new Map(tensors);
  for (const { names, inference } of replacedIn(shape, by)) {
    for (const name of names) own.delete(name);
    for (const [name, tensor] of inference.tensors(source)) own.set(name, tensor);
  }
  return own;
}

function replacedIn(
  shape: ModelShape,
  by: RunBy,
): { readonly names: readonly string[]; readonly inference: Inference }[] {
  return matrixSlots(shape).flatMap(({ stored }) =>
    stored.flatMap((each) => {
      const inference = inferenceOf(each, by);
      if (inference === undefined) return [];
      const kept = new Set(inference.parameters.map(({ name }) => name));
      const names = each.representation.parameters(each.matrix, each.options).map(({ name }) => name);
      return [{ names: names.filter((name) => !kept.has(name)), inference }];
    }),
  );
}
