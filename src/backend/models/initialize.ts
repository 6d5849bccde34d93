/** Draws initial weights. Each tensor has its own random stream, so that it does not depend on other tensors. */
import { type Shape, sizeOf } from "../graph/op";
import { createRandomStream } from "../representations/randomStream";
import type { Init, ParameterSpec, TensorData } from "../representations/representation";
import { type ModelShape, parametersOf } from "./model";

export interface NamedTensor {
  readonly shape: Shape;
  readonly data: TensorData;
}

export function initialize(shape: ModelShape, seed: number): Map<string, NamedTensor> {
  return new Map(
    parametersOf(shape).map((spec) => [spec.name, { shape: spec.shape, data: draw(spec, seed) }]),
  );
}

type TensorSpec = Pick<ParameterSpec, "name" | "shape" | "dtype" | "init">;

/** Draws the initial values of one tensor. */
export function draw({ name, shape, dtype, init }: TensorSpec, seed: number): TensorData {
  const kinds = {
    float32: Float32Array,
    int8: Int8Array,
    int4: Uint8Array,
    uint8: Uint8Array,
    bool: Uint8Array,
  };
  const data = new kinds[dtype](sizeOf(shape));
  fill(data, init, createRandomStream(name, seed));
  return data;
}

function fill(data: TensorData, init: Init, next: () => number): void {
  switch (init.kind) {
    case "zeros":
      return;
    case "ones":
      data.fill(1);
      return;
    case "uniform":
      for (let i = 0; i < data.length; i++) data[i] = (2 * next() - 1) * init.bound;
      return;
    case "normal":
      // The Box-Muller transform turns two uniform numbers into two normal ones.
      for (let i = 0; i < data.length; i += 2) {
        const radius = init.std * Math.sqrt(-2 * Math.log(1 - next()));
        const angle = 2 * Math.PI * next();
        data[i] = radius * Math.cos(angle);
        if (i + 1 < data.length) data[i + 1] = radius * Math.sin(angle);
      }
      return;
  }
}
