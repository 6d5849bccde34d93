/** Compares correlations of rows and columns with the plain formula. */
import { expect, it } from "vitest";
import { computeCorrelation } from "../../../src/backend/analysis/correlation";
import type { RoleValues } from "../../../src/backend/analysis/roleValues";
import { createUniform } from "../../support/sampleValues";

const { signal } = new AbortController();

function role(rows: number, columns: number, values: Float32Array, down = false): RoleValues {
  return {
    rows,
    columns,
    *lines() {
      if (down)
        for (let column = 0; column < columns; column++)
          yield {
            values: Float32Array.from({ length: rows }, (_, row) => values[row * columns + column]!),
            row: 0,
            column,
            down,
          };
      else
        for (let row = 0; row < rows; row++)
          yield { values: values.subarray(row * columns, (row + 1) * columns), row, column: 0, down };
    },
  };
}

function pearson(a: readonly number[], b: readonly number[]): number {
  const mean = (x: readonly number[]) => x.reduce((sum, each) => sum + each, 0) / x.length;
  const [ma, mb] = [mean(a), mean(b)];
  const product = a.reduce((sum, each, i) => sum + (each - ma) * (b[i]! - mb), 0);
  const size = (x: readonly number[], m: number) =>
    Math.sqrt(x.reduce((sum, each) => sum + (each - m) ** 2, 0));
  return product / (size(a, ma) * size(b, mb));
}

const [rows, columns] = [12, 5];
const values = Float32Array.from(Array.from({ length: rows * columns }, createUniform(1)));
const column = (at: number) => Array.from({ length: rows }, (_, row) => values[row * columns + at]!);

it("is Pearson's for any way of reading the matrix, and symmetric", async () => {
  for (const down of [false, true]) {
    const found = await computeCorrelation(role(rows, columns, values, down), "columns", 100, signal);
    expect([found.rows, found.columns, found.shape]).toEqual([5, 5, [5, 5]]);
    for (let i = 0; i < columns; i++)
      for (let j = 0; j < columns; j++)
        expect(found.values[i * columns + j]).toBeCloseTo(pearson(column(i), column(j)), 10);
  }
});

it("is 1 for tied rows, and missing for constant ones", async () => {
  const tied = Float32Array.from({ length: 6 * 4 }, (_, i) => (i < 4 ? 0.1 : values[i % 4]!));
  const found = await computeCorrelation(role(6, 4, tied), "rows", 100, signal);
  expect(found.values.slice(0, 6)).toEqual(Array(6).fill(null));
  for (const i of [1, 2, 3, 4, 5]) expect(found.values[6 + i]).toBeCloseTo(1, 10);
});

it("samples evenly spaced columns if there are many", async () => {
  const wide = Float32Array.from(Array.from({ length: 8 * 30 }, createUniform(2)));
  const found = await computeCorrelation(role(8, 30, wide), "columns", 3, signal);
  const at = (j: number) => Array.from({ length: 8 }, (_, row) => wide[row * 30 + j]!);
  expect(found.values[1]).toBeCloseTo(pearson(at(0), at(10)), 10);
  expect(found.shape).toEqual([30, 30]);
});
