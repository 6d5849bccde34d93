/** Small seeded tensors for tests of models and representations. */
import { input, parameter, sizeOf, type Value } from "../../src/backend/graph/op";
import type { ParameterSpec, TensorData } from "../../src/backend/representations/representation";
import { createUniform } from "./sampleValues";

/** Numbers in [-1, 1] for float tensors, fair coin flips for masks, codes of two bits from -2 to 1. */
export function drawTensors(specs: readonly ParameterSpec[], seed: number): Map<string, TensorData> {
  const random = createUniform(seed);
  return new Map(
    specs.map(({ name, shape, dtype }) => {
      const numbers = Array.from({ length: sizeOf(shape) }, random);
      return [
        name,
        dtype === "bool"
          ? Uint8Array.from(numbers, (each) => Math.round(each))
          : dtype === "int8"
            ? Int8Array.from(numbers, (each) => Math.floor(4 * each) - 2)
            : Float32Array.from(numbers, (each) => 2 * each - 1),
      ];
    }),
  );
}

export function createValues(specs: readonly ParameterSpec[]): Map<string, Value> {
  return new Map(
    specs.map(({ name, shape, dtype, trainable }) => [
      name,
      trainable ? parameter(name, shape) : input(name, shape, dtype),
    ]),
  );
}

/** Looks up a name that must exist. */
export function createLookup<T>(map: ReadonlyMap<string, T>): (name: string) => T {
  return (name) => {
    const value = map.get(name);
    if (value === undefined) throw new Error(`Nothing is named ${name}.`);
    return value;
  };
}
