/** The JavaScript array of each tensor type. */
import { WorkbenchError } from "../../protocol/errors";
import { type ConstantData, type DType, sizeOf, type TensorType } from "../graph/op";

export function checkData(type: TensorType, data: ConstantData): void {
  const length = countElements(type);
  if (data instanceof arrays[type.dtype] && data.length === length) return;
  throw new WorkbenchError(
    "internal",
    `A tensor ${describe(type)} requires a ${arrays[type.dtype].name} of length ${length}, ` +
      `not a ${data.constructor.name} of length ${data.length}.`,
  );
}

export function describe({ dtype, shape }: TensorType): string {
  return `${dtype}[${shape.join(",")}]`;
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  int4: Uint8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const satisfies Record<DType, unknown>;

/** Elements of the array of a tensor; `int4` stores two numbers per byte. */
function countElements({ dtype, shape }: TensorType): number {
  return dtype === "int4" ? Math.ceil(sizeOf(shape) / 2) : sizeOf(shape);
}

/** Zeros. */
export function allocate(type: TensorType): ConstantData {
  return new arrays[type.dtype](countElements(type));
}

/** The array of a tensor whose memory was received as bytes. */
export function asArray({ dtype }: TensorType, bytes: ArrayBuffer): ConstantData {
  return new arrays[dtype](bytes);
}
