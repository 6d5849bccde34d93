/**
 * A square matrix that keeps only entries near the diagonal: diagonal weight compression (Belhaouari and Kraidia, 2025,
 * equations 17 to 19). Entries are removed from the corners toward the diagonal, so two numbers specify which are kept.
 */
import * as z from "zod";
import type { Value } from "../graph/op";
import { add, mul } from "../graph/ops/elementwise";
import { select } from "../graph/ops/indexing";
import { matmul } from "../graph/ops/matmul";
import { concat, pad, reshape, slice } from "../graph/ops/movement";
import { sum } from "../graph/ops/reduction";
import { requireFloats } from "./dense";
import { defineRepresentation, type MatrixSpec, createWeightSpec } from "./representation";

export interface DiagonalOptions {
  /** Entries kept strictly below the diagonal of W [inputs, outputs], nearest to it first. */
  readonly lower: number;
  /** Entries kept strictly above the diagonal. */
  readonly upper: number;
  /**
   * Outputs of a head of a matrix with fewer outputs than inputs: each head has inputs / outputs diagonals, one below the
   * other. Absent for a square matrix.
   */
  readonly unit?: number | undefined;
}

export const diagonalName = (matrix: MatrixSpec): string => `${matrix.name}.diagonal`;
export const bandName = (matrix: MatrixSpec): string => `${matrix.name}.band`;

export interface Entry {
  readonly row: number;
  readonly column: number;
}

export const triangleSize = (width: number): number => (width * (width - 1)) / 2;

/** Generates the first `count` entries of a triangle, diagonal by diagonal outward and each from its top. */
export function* listNearestEntries(width: number, side: "lower" | "upper", count: number): Generator<Entry> {
  let left = count;
  for (let offset = 1; offset < width && left > 0; offset++)
    for (let i = 0; i < width - offset && left > 0; i++, left--)
      yield side === "lower" ? { row: i + offset, column: i } : { row: i, column: i + offset };
}

/** The entries in the storage order of the band. */
export function listBandEntries(width: number, { lower, upper }: DiagonalOptions): Entry[] {
  return [...listNearestEntries(width, "lower", lower), ...listNearestEntries(width, "upper", upper)];
}

/** Above this many diagonals, one dense product is faster than one pass over x per diagonal. */
const maxDiagonals = 16;

/** The terms of y_j = Σ_o x_{j+o}·v_o over the kept diagonals o, each an elementwise product of shifted activations. */
function buildShiftTerms(x: Value, band: Value, width: number, options: DiagonalOptions): Value[] {
  const terms: Value[] = [];
  let at = 0;
  for (const side of ["lower", "upper"] as const) {
    let left = options[side];
    for (let offset = 1; left > 0; offset++) {
      const size = Math.min(left, width - offset);
      const values = slice(band, { axis: 0, start: at, end: at + size });
      // An entry (row i + offset, column i) adds x_{i + offset} to y_i; above the diagonal the roles are swapped.
      const [from, to] = side === "lower" ? [offset, 0] : [0, offset];
      const term = mul(slice(x, { axis: 1, start: from, end: from + size }), values);
      terms.push(pad(term, { axis: 1, before: to, after: width - size - to }));
      at += size;
      left -= size;
    }
  }
  return terms;
}

/** Builds W [width, width] from its diagonal and its band. */
function buildMatrix(diagonal: Value, band: Value, width: number, options: DiagonalOptions): Value {
  const rows = new Array<number>(width * width).fill(-1);
  for (let i = 0; i < width; i++) rows[i * width + i] = i;
  listBandEntries(width, options).forEach(({ row, column }, i) => (rows[row * width + column] = width + i));
  return reshape(select(concat(diagonal, band, { axis: 0 }), { rows }), { shape: [width, width] });
}

function countDiagonals(width: number, entries: number): number {
  let count = 0;
  for (let left = entries; left > 0; left -= width - ++count);
  return count;
}

/** Returns the output of each input's diagonal entry. */
function listColumns({ inputs, outputs }: MatrixSpec, { unit = outputs }: DiagonalOptions): number[] {
  const heads = (unit * inputs) / outputs;
  return Array.from({ length: inputs }, (_, row) => Math.floor(row / heads) * unit + (row % unit));
}

/** Sums the products of the diagonals of each head. */
function sumDiagonals(products: Value, { inputs, outputs }: MatrixSpec, unit: number): Value {
  const rows = products.type.shape[0]!;
  const split = reshape(products, { shape: [rows, outputs / unit, inputs / outputs, unit] });
  return reshape(sum(split, { axes: [2], keepDims: false }), { shape: [rows, outputs] });
}

export default defineRepresentation<DiagonalOptions>({
  title: "Diagonal or banded",
  contents: "a diagonal or band",
  worth:
    "A diagonal is applied as an elementwise product. With a wide band, the matrix is rebuilt in every pass, so only the file is smaller.",
  options: z.strictObject({
    lower: z.int().min(0).default(0).describe("Entries kept strictly below the diagonal."),
    upper: z.int().min(0).default(0).describe("Entries kept strictly above the diagonal."),
    unit: z
      .int()
      .min(1)
      .optional()
      .describe("Outputs of a head, each with several diagonals and nothing else. Default: a square matrix."),
  }),
  refuses: ({ kind, inputs, outputs }, { lower, upper, unit }) => {
    if (kind === "embedding") return "an embedding is looked up by row and has no diagonal";
    if (unit !== undefined) {
      if (inputs % outputs !== 0 || outputs % unit !== 0)
        return `${inputs} inputs and ${outputs} outputs do not divide into heads of ${unit}`;
      return lower + upper === 0 ? undefined : "heads with several diagonals keep nothing else";
    }
    if (inputs !== outputs) return `a matrix with ${inputs} inputs and ${outputs} outputs has no diagonal`;
    const most = triangleSize(inputs);
    const more = Math.max(lower, upper);
    return more > most ? `a triangle of the matrix has only ${most} entries, not ${more}` : undefined;
  },
  // The order of removal is fixed, so positions are not stored.
  parameters: (matrix, { lower, upper }) => [
    createWeightSpec(matrix, "diagonal", [matrix.inputs]),
    ...(lower + upper === 0 ? [] : [createWeightSpec(matrix, "band", [lower + upper])]),
  ],
  apply: (x, values, matrix, options) => {
    const width = matrix.inputs;
    const diagonal = values(diagonalName(matrix));
    const diagonalTerm = mul(x, diagonal);
    if (options.unit !== undefined) return sumDiagonals(diagonalTerm, matrix, options.unit);
    if (options.lower + options.upper === 0) return diagonalTerm;
    const band = values(bandName(matrix));
    if (countDiagonals(width, options.lower) + countDiagonals(width, options.upper) <= maxDiagonals)
      return buildShiftTerms(x, band, width, options).reduce((sum, term) => add(sum, term), diagonalTerm);
    return matmul(x, buildMatrix(diagonal, band, width, options));
  },
  materialize: (tensors, matrix, options) => {
    const width = matrix.outputs;
    const out = new Float32Array(matrix.inputs * width);
    const diagonal = requireFloats(diagonalName(matrix), tensors(diagonalName(matrix)));
    listColumns(matrix, options).forEach((column, row) => (out[row * width + column] = diagonal[row]!));
    if (options.lower + options.upper === 0) return out;
    const band = requireFloats(bandName(matrix), tensors(bandName(matrix)));
    listBandEntries(width, options).forEach(({ row, column }, i) => (out[row * width + column] = band[i]!));
    return out;
  },
});
