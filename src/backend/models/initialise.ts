/** Initial weights: drawn tensor by tensor from a stream of its own, so that a tensor does not depend on what else there is. */
import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { type Shape, sizeOf } from "../graph/op";
import type { Init, ParameterSpec, TensorData } from "../representations/representation";
import { type ModelShape, parametersOf } from "./model";

export interface NamedTensor {
  readonly shape: Shape;
  readonly data: TensorData;
}

export function initialise(shape: ModelShape, seed: number): Map<string, NamedTensor> {
  return new Map(
    parametersOf(shape).map((spec) => [spec.name, { shape: spec.shape, data: draw(spec, seed) }]),
  );
}

/** The initial values of one tensor. */
export function draw({ name, shape, dtype, init }: ParameterSpec, seed: number): TensorData {
  const data = dtype === "bool" ? new Uint8Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
  fill(data, init, streamOf(name, seed));
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
      // Box and Muller's transform turns two uniform numbers into two normal ones.
      for (let i = 0; i < data.length; i += 2) {
        const radius = init.std * Math.sqrt(-2 * Math.log(1 - next()));
        const angle = 2 * Math.PI * next();
        data[i] = radius * Math.cos(angle);
        if (i + 1 < data.length) data[i + 1] = radius * Math.sin(angle);
      }
      return;
  }
}

/** Uniform numbers of [0, 1) that depend on the seed and the name alone. */
function streamOf(name: string, seed: number): () => number {
  let hash = 0x811c9dc5 ^ seed;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  const generator = xoroshiro128plus(hash ^ (hash >>> 16));
  // The generator starts from a state with few bits set; a short run mixes it.
  for (let i = 0; i < 16; i++) generator.next();
  return () => uniformFloat32(generator);
}
