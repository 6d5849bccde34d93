/** A dense matrix: one tensor in the layout of its family. */
import * as z from "zod";
import type { Shape, Value } from "../graph/op";
import { matmul } from "../graph/ops/matmul";
import { reshape } from "../graph/ops/movement";
import {
  defineRepresentation,
  type MatrixSpec,
  type TensorData,
  type ValueSource,
  createWeightSpec,
} from "./representation";

export const weightName = ({ name, weight }: Pick<MatrixSpec, "name" | "weight">): string =>
  weight?.name ?? `${name}.weight`;

/** The shape of a matrix in the layout of its family. */
export function denseShape({ inputs, outputs, layout }: MatrixSpec): readonly [number, number] {
  return layout === "in_out" ? [inputs, outputs] : [outputs, inputs];
}

/** The shape of the dense tensor in files. */
export const weightShape = (matrix: MatrixSpec): Shape => matrix.weight?.shape ?? denseShape(matrix);

function readWeight(values: ValueSource, matrix: MatrixSpec): Value {
  const weight = values(weightName(matrix));
  return matrix.weight?.shape === undefined ? weight : reshape(weight, { shape: denseShape(matrix) });
}

/** Converts a dense tensor to [inputs, outputs]; returns it unchanged if it has that layout. */
export function toInOut<T extends Float32Array | Uint8Array>(data: T, matrix: MatrixSpec): T {
  return matrix.layout === "in_out" ? data : transposeArray(data, matrix.outputs, matrix.inputs);
}

/** The inverse of `toInOut`. */
export function fromInOut(data: Float32Array, matrix: MatrixSpec): Float32Array {
  return matrix.layout === "in_out" ? data : transposeArray(data, matrix.inputs, matrix.outputs);
}

/** Returns Aᵀ [columns, rows] for A [rows, columns]. */
export function transposeArray<T extends Float32Array | Uint8Array>(
  data: T,
  rows: number,
  columns: number,
): T {
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
      ...createWeightSpec(matrix, "weight", weightShape(matrix)),
      name: weightName(matrix),
      ...(matrix.weight === undefined
        ? { axes: matrix.layout === "in_out" ? matrix.axes : ([matrix.axes[1], matrix.axes[0]] as const) }
        : {}),
    },
  ],
  apply: (x, values, matrix) =>
    matmul(x, readWeight(values, matrix), { transposeB: matrix.layout === "out_in" }),
  dense: readWeight,
  materialize: (tensors, matrix) =>
    toInOut(requireFloats(weightName(matrix), tensors(weightName(matrix))), matrix),
});
