/** A model that is only run: matrices for which the runtime has something better than floats are stored so. */
import type { Inference, ParameterSpec, StoredTensor } from "../representations/representation";
import { matrixSlots, type ModelShape, parametersOf } from "./model";
import { inferenceOf } from "./weights";

/** What a forward pass with `inference` reads. */
export function inferenceParameters(shape: ModelShape): ParameterSpec[] {
  const replaced = new Set(replacedIn(shape).flatMap(({ names }) => names));
  return [
    ...parametersOf(shape).filter(({ name }) => !replaced.has(name)),
    ...replacedIn(shape).flatMap(({ inference }) => inference.parameters),
  ];
}

export function inferenceTensors<T>(
  shape: ModelShape,
  tensors: ReadonlyMap<string, T | StoredTensor>,
): ReadonlyMap<string, T | StoredTensor> {
  // A model holds nothing but weights, codes and masks.
  const source = (name: string) => (tensors.get(name) as StoredTensor).data;
  const own = new Map(tensors);
  for (const { names, inference } of replacedIn(shape)) {
    for (const [name, tensor] of inference.tensors(source)) own.set(name, tensor);
    for (const name of names) own.delete(name);
  }
  return own;
}

function replacedIn(
  shape: ModelShape,
): { readonly names: readonly string[]; readonly inference: Inference }[] {
  return matrixSlots(shape).flatMap(({ stored }) =>
    stored.flatMap((each) => {
      const inference = inferenceOf(each);
      if (inference === undefined) return [];
      const kept = new Set(inference.parameters.map(({ name }) => name));
      const names = each.representation.parameters(each.matrix, each.options).map(({ name }) => name);
      return [{ names: names.filter((name) => !kept.has(name)), inference }];
    }),
  );
}
