/** Checks eigenvalues and eigenvectors by their definition. */
import { describe, expect, it } from "vitest";
import { computeEigenvalues, decomposeSymmetric } from "../../../../src/backend/compression/algebra/eigen";
import { multiply, transpose } from "../../../../src/backend/compression/algebra/linearAlgebra";
import { computeRelativeError, createUniform } from "../../../support/sampleValues";

const drawn = (count: number, seed: number) => {
  const random = createUniform(seed);
  return Float64Array.from({ length: count }, () => random() - 0.5);
};
const identity = (n: number) => Float64Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0));
const gramOf = (a: Float64Array, m: number) => {
  const n = a.length / m;
  return multiply(a, transpose(a, m, n), [m, n, m]);
};

const cases: readonly (readonly [string, number, Float64Array])[] = [
  ["one row", 1, Float64Array.of(3)],
  ["two rows", 2, Float64Array.of(2, 1, 1, 2)],
  ["random numbers", 40, gramOf(drawn(40 * 60, 1), 40)],
  ["few directions", 30, gramOf(drawn(30 * 4, 2), 30)],
  ["equal eigenvalues", 12, identity(12).map((each) => 5 * each)],
  ["blocks", 4, Float64Array.of(2, 1, 0, 0, 1, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0)],
  [
    "very different sizes",
    20,
    gramOf(
      drawn(400, 3).map((each, i) => each * 10 ** -Math.floor(i / 40)),
      20,
    ),
  ],
  ["zeros", 5, new Float64Array(25)],
];

describe.each(cases)("a symmetric matrix of %s", (_, n, matrix) => {
  const { values, vectors } = decomposeSymmetric(matrix, n);

  it("is its eigenvectors times its eigenvalues, which decrease", () => {
    expect([...values]).toEqual([...values].sort((a, b) => b - a));
    const scaled = vectors.map((each, i) => each * values[Math.floor(i / n)]!);
    const again = multiply(transpose(vectors, n, n), scaled, [n, n, n]);
    const size = Math.max(1e-300, values[0]!);
    again.forEach((each, i) => expect(Math.abs(each - matrix[i]!) / size).toBeLessThan(1e-13));
    expect(computeRelativeError(gramOf(vectors, n), identity(n))).toBeLessThan(1e-13);
  });

  it("has the same eigenvalues without eigenvectors", () => {
    const size = Math.max(1e-300, values[0]!);
    computeEigenvalues(matrix, n).forEach((each, i) =>
      expect(Math.abs(each - values[i]!) / size).toBeLessThan(1e-13),
    );
  });
});

it("eigenvalues of a matrix that is not finite are refused", () => {
  expect(() => decomposeSymmetric([1, NaN, NaN, 1], 2)).toThrow(/not finite/);
});
