/** A dense matrix: one tensor in the layout of its family. */
import * as z from "zod";
import { matmul } from "../graph/ops/matmul";
import { defineRepresentation, type MatrixSpec, type TensorData, createWeightSpec } from "./representation";

export const weightName = (matrix: MatrixSpec): string => `${matrix.name}.weight`;

export function denseShape({ inputs, outputs, layout }: MatrixSpec): readonly [number, number] {
  return layout === "in_out" ? [inputs, outputs] : [outputs, inputs];
}

/** Converts a dense tensor to [inputs, outputs]; returns it unchanged if it has that layout. */
export function toInOut<T extends Float32Array | Uint8Array>(data: T, matrix: MatrixSpec): T {
  return matrix.layout === "in_out" ? data : transposeArray(data, matrix.outputs, matrix.inputs);
}

/** The inverse of `toInOut`. */
export function fromInOut(data: Float32Array, matrix: MatrixSpec): Float32Array {
  return matrix.layout === "in_out" ? data : transposeArray(data, matrix.inputs, matrix.outputs);
}

function transposeArray<T extends Float32Array | Uint8Array>(data: T, rows: number, columns: number): T {
  const out = data.slice() as T;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) out[column * rows + row] = data[row * columns + column]!;
  return out;
}

export function requireFloats(name: string, data: TensorData): Float32Array {
  if (!(data instanceof Float32Array)) throw new Error(`Tensor ${name} must be float32.`);
  return data;
}

export default defineRepresentation<Record<string, never>>({
  title: "Dense",
  options: z.strictObject({}),
  parameters: (matrix) => [
    {
      ...createWeightSpec(matrix, "weight", denseShape(matrix)),
      axes: matrix.layout === "in_out" ? matrix.axes : [matrix.axes[1], matrix.axes[0]],
    },
  ],
  apply: (x, values, matrix) =>
    matmul(x, values(weightName(matrix)), { transposeB: matrix.layout === "out_in" }),
  dense: (values, matrix) => values(weightName(matrix)),
  materialize: (tensors, matrix) =>
    toInOut(requireFloats(weightName(matrix), tensors(weightName(matrix))), matrix),
});
