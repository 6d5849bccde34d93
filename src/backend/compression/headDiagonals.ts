/**
 * The diagonals of a value projection with grouped queries. A key-value head serves several query heads, and each of these
 * has its own features of the residual stream: the head keeps one diagonal for the features of each, so that every feature
 * is read once. With as many key-value heads as query heads, that is the diagonal of the square matrix.
 */
import type { Entry } from "../representations/diagonal";
import { listNearestEntries, triangleSize } from "../representations/diagonal";

export interface HeadDiagonals {
  readonly inputs: number;
  readonly outputs: number;
  /** Outputs of a head. */
  readonly unit: number;
  /** Query heads that read a key-value head: the diagonals of each head. */
  readonly repeats: number;
}

export type Side = "lower" | "upper";

/** Returns the output at which the diagonal of an input is. */
export function getDiagonalColumn({ unit, repeats }: HeadDiagonals, row: number): number {
  return Math.floor(row / (unit * repeats)) * unit + (row % unit);
}

/** Returns the rows of the diagonals of an output, in ascending order. */
export function listDiagonalRows({ unit, repeats }: HeadDiagonals, column: number): number[] {
  const first = Math.floor(column / unit) * unit * repeats + (column % unit);
  return Array.from({ length: repeats }, (_, i) => first + i * unit);
}

/** The number of entries below or above the nearest diagonal. */
export function countSide(heads: HeadDiagonals, side: Side): number {
  if (heads.repeats === 1) return triangleSize(heads.inputs);
  let count = 0;
  forEachEntry(heads, (_row, _column, offset) => {
    if (side === "lower" ? offset > 0 : offset < 0) count++;
  });
  return count;
}

/** Lists the entries below or above the nearest diagonal, nearest first and each distance from its top. */
export function listSide(heads: HeadDiagonals, side: Side): Entry[] {
  if (heads.repeats === 1) return [...listNearestEntries(heads.inputs, side, triangleSize(heads.inputs))];
  const byDistance: Entry[][] = [];
  forEachEntry(heads, (row, column, offset) => {
    if (side === "lower" ? offset > 0 : offset < 0)
      (byDistance[Math.abs(offset)] ??= []).push({ row, column });
  });
  return byDistance.flat();
}

/** `offset` is the row minus that of the nearest diagonal; of two equally near ones, the upper one. */
function forEachEntry(
  { inputs, outputs, unit, repeats }: HeadDiagonals,
  visit: (row: number, column: number, offset: number) => void,
): void {
  for (let row = 0; row < inputs; row++)
    for (let column = 0; column < outputs; column++) {
      const first = Math.floor(column / unit) * unit * repeats + (column % unit);
      const nearest = Math.min(repeats - 1, Math.max(0, Math.ceil((row - first) / unit - 0.5)));
      visit(row, column, row - first - nearest * unit);
    }
}
