/** A matrix of numbers, or a coarser version of one, for pictures. */
import { getRampColor } from "./ramp";
import type { ChartTheme } from "./theme";

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** Row by row; null is not a number. */
  readonly values: readonly (number | null)[];
}

/** The magnitude that 99.5 % stay below: one outlier does not make everything else look like zero. */
export function computeLimit(matrices: readonly Matrix[]): number {
  const magnitudes = matrices
    .flatMap(({ values }) => values.map((value) => Math.abs(value ?? 0)))
    .sort((a, b) => a - b);
  return magnitudes[Math.floor((magnitudes.length - 1) * 0.995)] || 1;
}

/** The color of a value, at its strongest from `limit` on. */
export function getFillColor(
  value: number | null,
  limit: number,
  { ground }: Pick<ChartTheme, "ground">,
): string {
  const [red, green, blue, alpha] = getRampColor((value ?? NaN) / limit, ground);
  return alpha === 0
    ? "none"
    : `#${[red, green, blue].map((each) => each.toString(16).padStart(2, "0")).join("")}`;
}

/** Each cell of a coarser matrix is the value of largest magnitude that it covers. */
export function downsampleMatrix(matrix: Matrix, maxRows: number, maxColumns: number): Matrix {
  const rows = Math.min(maxRows, matrix.rows);
  const columns = Math.min(maxColumns, matrix.columns);
  const values = new Array<number | null>(rows * columns).fill(null);
  matrix.values.forEach((value, i) => {
    const row = Math.floor((Math.floor(i / matrix.columns) * rows) / matrix.rows);
    const column = Math.floor(((i % matrix.columns) * columns) / matrix.columns);
    const index = row * columns + column;
    const previous = values[index];
    if (
      value !== null &&
      (previous === null || previous === undefined || Math.abs(value) > Math.abs(previous))
    )
      values[index] = value;
  });
  return { rows, columns, values };
}

export function createMatrixRows({ rows, columns, values }: Matrix): string[][] {
  return [
    ["row", "column", "value"],
    ...Array.from({ length: rows * columns }, (_, i) => [
      String(Math.floor(i / columns)),
      String(i % columns),
      String(values[i] ?? ""),
    ]),
  ];
}
