/**
 * A matrix whose inputs share rows: a table of k rows, and for each input the index of its row. Tokens of a cluster share the
 * row of an embedding (GraphHash, Wu et al. 2025). Indices are stored in ⌈log₂ k⌉ bits, as digits of up to 8 bits.
 */
import * as z from "zod";
import { constant, type Value } from "../graph/op";
import { add, cast, mul } from "../graph/ops/elementwise";
import { gather } from "../graph/ops/indexing";
import { matmul } from "../graph/ops/matmul";
import { transpose } from "../graph/ops/movement";
import { requireFloats } from "./dense";
import {
  createWeightSpec,
  defineRepresentation,
  type MatrixSpec,
  type ParameterSpec,
  scalarBits,
  type StoredTensor,
  type TensorSource,
  type ValueSource,
} from "./representation";

export interface IndexedOptions {
  /** Rows of the table. */
  readonly rows: number;
}

export const tableName = (matrix: MatrixSpec): string => `${matrix.name}.weight_rows`;

/** Bits of an index. */
export const countIndexBits = (rows: number): number => Math.max(1, Math.ceil(Math.log2(rows)));

const digitBits = 8;
/** The code of digit 0, so that 256 digits fit in a signed byte. */
const firstCode = -128;

const countDigits = (rows: number): number => Math.ceil(countIndexBits(rows) / digitBits);
const digitName = (matrix: MatrixSpec, digit: number): string => `${matrix.name}.weight_index_${digit}`;

/** The digits of an index for each input, the lowest first, as int8 tensors [inputs]. */
export function encodeIndices(
  indices: ArrayLike<number>,
  matrix: MatrixSpec,
  { rows }: IndexedOptions,
): (readonly [string, StoredTensor])[] {
  return Array.from({ length: countDigits(rows) }, (_, digit) => [
    digitName(matrix, digit),
    {
      shape: [matrix.inputs],
      data: Int8Array.from(indices, (index) => ((index >> (digitBits * digit)) & 255) + firstCode),
    },
  ]);
}

/** The row of each input. */
export function readIndices(tensors: TensorSource, matrix: MatrixSpec, { rows }: IndexedOptions): Int32Array {
  const indices = new Int32Array(matrix.inputs);
  for (let digit = 0; digit < countDigits(rows); digit++) {
    const codes = tensors(digitName(matrix, digit));
    for (let i = 0; i < indices.length; i++) indices[i]! += (codes[i]! - firstCode) << (digitBits * digit);
  }
  return indices;
}

/** The rows of these inputs as int32, of the shape of `inputs`, or of all inputs. */
function buildIndices(
  values: ValueSource,
  matrix: MatrixSpec,
  { rows }: IndexedOptions,
  inputs?: Value,
): Value {
  const int = (value: number) => constant(Int32Array.of(value), []);
  const digits = Array.from({ length: countDigits(rows) }, (_, digit) => {
    const codes = values(digitName(matrix, digit));
    const read = cast(inputs === undefined ? codes : gather(codes, inputs), { to: "int32" });
    return mul(add(read, int(-firstCode)), int(2 ** (digitBits * digit)));
  });
  return digits.reduce((sum, digit) => add(sum, digit));
}

/** [inputs, outputs] */
const buildMatrix = (values: ValueSource, matrix: MatrixSpec, options: IndexedOptions): Value =>
  gather(values(tableName(matrix)), buildIndices(values, matrix, options));

export default defineRepresentation<IndexedOptions>({
  title: "Shared rows",
  contents: "shared rows",
  worth:
    "The table is smaller in files and in memory. An index takes one byte in memory for every 8 bits, and a lookup reads it first.",
  options: z.strictObject({
    rows: z
      .int()
      .min(1)
      .max(2 ** 24)
      .describe("Rows of the table."),
  }),
  parameters: (matrix, { rows }) => [
    ...Array.from({ length: countDigits(rows) }, (_, digit): ParameterSpec => {
      const bits = Math.min(digitBits, countIndexBits(rows) - digitBits * digit);
      return {
        ...createWeightSpec(matrix, `weight_index_${digit}`, [matrix.inputs], { kind: "zeros" }),
        dtype: "int8",
        packing: { integers: { bits, lowest: firstCode } },
        trainable: false,
        decay: false,
      };
    }),
    createWeightSpec(matrix, "weight_rows", [rows, matrix.outputs]),
  ],
  apply: (x, values, matrix, options) => matmul(x, buildMatrix(values, matrix, options)),
  lookup: (ids, values, matrix, options) =>
    gather(values(tableName(matrix)), buildIndices(values, matrix, options, ids)),
  dense: (values, matrix, options) => {
    const weight = buildMatrix(values, matrix, options);
    return matrix.layout === "in_out" ? weight : transpose(weight, { perm: [1, 0] });
  },
  materialize: (tensors, matrix, options) => {
    const table = requireFloats(tableName(matrix), tensors(tableName(matrix)));
    const { outputs } = matrix;
    const dense = new Float32Array(matrix.inputs * outputs);
    readIndices(tensors, matrix, options).forEach((row, input) =>
      dense.set(table.subarray(row * outputs, (row + 1) * outputs), input * outputs),
    );
    return dense;
  },
  // Indices and rows are stored whatever their values are.
  count: ({ inputs, outputs }, { rows }) => {
    const stored = inputs * countDigits(rows) + rows * outputs;
    return {
      trainable: rows * outputs,
      stored,
      nonZero: stored,
      bits: inputs * countIndexBits(rows) + rows * outputs * scalarBits,
    };
  },
});
