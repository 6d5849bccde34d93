/**
 * A matrix in which some rows or columns are identical: identical row compression (Belhaouari and Kraidia, 2025,
 * equations 4 to 10). The shared row is stored once; a seed determines which rows share it.
 */
import * as z from "zod";
import { constant, type Value } from "../graph/op";
import { select } from "../graph/ops/indexing";
import { matmul } from "../graph/ops/matmul";
import { concat, transpose } from "../graph/ops/movement";
import { expand } from "../graph/ops/reduction";
import { requireFloats } from "./dense";
import { createRandomOrder } from "./randomStream";
import {
  defineRepresentation,
  type MatrixSpec,
  countNonZeros,
  scalarBits,
  createWeightSpec,
} from "./representation";

export const folds = ["rows", "cols"] as const;

export interface TiedOptions {
  /** Rows of W [inputs, outputs], so that inputs share weights, or columns, so that outputs are equal. */
  readonly fold: (typeof folds)[number];
  /** Number of tied rows or columns. */
  readonly tied: number;
  /** Seed of a random order whose first `tied` entries are tied. */
  readonly seed: number;
  /** The role for which the order was drawn, if the role of the matrix has changed since. */
  readonly drawn_as?: string | undefined;
}

export const tiedName = (matrix: MatrixSpec): string => `${matrix.name}.tied_weight`;

/** Returns the tied rows or columns, of which the first is the donor for a random choice, and the free ones. */
export function splitTied(
  matrix: MatrixSpec,
  { fold, tied, seed, drawn_as = matrix.role }: TiedOptions,
): { readonly tied: readonly number[]; readonly free: readonly number[] } {
  const count = fold === "rows" ? matrix.inputs : matrix.outputs;
  const order = createRandomOrder(count, drawn_as, seed);
  return { tied: [...order.subarray(0, tied)], free: [...order.subarray(tied).sort()] };
}

/**
 * Computes the stored tensor of a dense matrix [inputs, outputs]. The shared row or column is the weighted sum of the tied
 * ones: a single share of 1 selects one of them, equal shares that sum to 1 their mean.
 */
export function tie(
  dense: Float32Array,
  matrix: MatrixSpec,
  options: TiedOptions,
  shares: readonly number[],
): { readonly shape: readonly [number, number]; readonly data: Float32Array } {
  const { tied, free } = splitTied(matrix, options);
  const shape = getStoredShape(matrix, options);
  const data = new Float32Array(shape[0] * shape[1]);
  const { inputs, outputs } = matrix;
  // A line is a row or column; `at` is the index of element i of line l.
  const [length, at] =
    options.fold === "rows"
      ? [outputs, (line: number, i: number) => line * outputs + i]
      : [inputs, (line: number, i: number) => i * outputs + line];
  const place =
    options.fold === "rows"
      ? (line: number, i: number) => line * outputs + i
      : (line: number, i: number) => i * shape[1] + line;
  for (let i = 0; i < length; i++) {
    free.forEach((line, to) => (data[place(to, i)] = dense[at(line, i)]!));
    let shared = 0;
    tied.forEach((line, n) => (shared += shares[n]! === 0 ? 0 : shares[n]! * dense[at(line, i)]!));
    data[place(free.length, i)] = shared;
  }
  return { shape, data };
}

/** [free + 1, outputs] for rows, [inputs, free + 1] for columns; the shared row or column is last. */
function getStoredShape(
  { inputs, outputs }: MatrixSpec,
  { fold, tied }: TiedOptions,
): readonly [number, number] {
  return fold === "rows" ? [inputs - tied + 1, outputs] : [inputs, outputs - tied + 1];
}

const swap = { perm: [1, 0] };

/** y = x[:, free]·W_free + (Σ x_i over the tied inputs)·w, as one product. */
function applyRows(x: Value, weight: Value, matrix: MatrixSpec, options: TiedOptions): Value {
  const { tied, free } = splitTied(matrix, options);
  const mark = new Float32Array(matrix.inputs);
  for (const row of tied) mark[row] = 1;
  const total = matmul(constant(mark, [1, matrix.inputs]), x, { transposeB: true }); // [1, rows]
  if (free.length === 0) return matmul(total, weight, { transposeA: true });
  const freeInputs = select(transpose(x, swap), { rows: free }); // [free, rows]
  return matmul(concat(freeInputs, total, { axis: 0 }), weight, { transposeA: true });
}

/** The free columns of the product, and x·w in all tied ones. */
function applyColumns(x: Value, weight: Value, matrix: MatrixSpec, options: TiedOptions): Value {
  const { tied, free } = splitTied(matrix, options);
  const rows = x.type.shape[0]!;
  const product = matmul(x, weight); // [rows, free + 1]
  if (free.length === 0) return expand(product, { shape: [rows, matrix.outputs] });
  const byColumn = transpose(product, swap);
  const freeOutputs = select(byColumn, { rows: free.map((_, i) => i) });
  const shared = expand(select(byColumn, { rows: [free.length] }), { shape: [tied.length, rows] });
  const places = new Array<number>(matrix.outputs);
  [...free, ...tied].forEach((column, i) => (places[column] = i));
  return transpose(select(concat(freeOutputs, shared, { axis: 0 }), { rows: places }), swap);
}

export default defineRepresentation<TiedOptions>({
  title: "Tied rows or columns",
  contents: "tied rows or columns",
  worth: "The shared row is stored and multiplied once, which reduces file size, memory and operations.",
  options: z.strictObject({
    fold: z.enum(folds).default("rows").describe("Whether rows (inputs) or columns (outputs) are tied."),
    tied: z.int().min(1).describe("Number of tied rows or columns."),
    seed: z.int().min(0).default(0).describe("Seed for the choice of tied rows or columns."),
    drawn_as: z
      .string()
      .optional()
      .describe("Role for which they were chosen, if the layer has moved since. Default: the current role."),
  }),
  convertOptions: (options, role) => ({ drawn_as: role, ...options }),
  refuses: ({ kind, inputs, outputs }, { fold, tied }) => {
    if (kind === "embedding")
      return "an embedding is looked up by row and tied rows are not stored separately";
    const count = fold === "rows" ? inputs : outputs;
    return tied > count ? `cannot tie ${tied} of ${count} ${fold}` : undefined;
  },
  parameters: (matrix, options) => [createWeightSpec(matrix, "tied_weight", getStoredShape(matrix, options))],
  apply: (x, values, matrix, options) =>
    (options.fold === "rows" ? applyRows : applyColumns)(x, values(tiedName(matrix)), matrix, options),

  materialize: (tensors, matrix, options) => {
    const { tied, free } = splitTied(matrix, options);
    const stored = requireFloats(tiedName(matrix), tensors(tiedName(matrix)));
    const out = new Float32Array(matrix.inputs * matrix.outputs);
    const places = [
      ...free.map((at, i) => [at, i] as const),
      ...tied.map((at) => [at, free.length] as const),
    ];
    const width = getStoredShape(matrix, options)[1];
    for (const [at, from] of places)
      if (options.fold === "rows")
        out.set(stored.subarray(from * width, (from + 1) * width), at * matrix.outputs);
      else
        for (let row = 0; row < matrix.inputs; row++)
          out[row * matrix.outputs + at] = stored[row * width + from]!;
    return out;
  },

  // The seed is stored unless all are tied, since then there is no choice; so is the former layer of one that has moved.
  count: (matrix, options, tensors) => {
    const [rows, columns] = getStoredShape(matrix, options);
    const stored = rows * columns;
    const chosen = options.tied < (options.fold === "rows" ? matrix.inputs : matrix.outputs);
    return {
      trainable: stored,
      stored,
      nonZero: tensors === undefined ? stored : countNonZeros(tensors(tiedName(matrix))),
      bits: stored * scalarBits + (chosen ? seedBits + (options.drawn_as === undefined ? 0 : layerBits) : 0),
    };
  },
});

const seedBits = 32;
const layerBits = 32;
