/** Tensors whose values remain in a file until they are used, so that memory does not have to hold a whole model. */
import type { Shape } from "../graph/op";

export type TensorValues = Float32Array | Uint8Array | Int32Array | Int8Array;

/** Smaller tensors are read at once: a file costs more than the memory. */
export const smallestLazyBytes = 2 ** 20;

/** A tensor that is read each time that its `data` is used, into a new array. */
export class LazyTensor {
  readonly #read: () => TensorValues;

  constructor(
    readonly shape: Shape,
    /** Type of the values in a graph. */
    readonly type: "float32" | "int32" | "int8" | "bool",
    read: () => TensorValues,
  ) {
    this.#read = read;
  }

  get data(): TensorValues {
    return this.#read();
  }
}
