/** Checks linear algebra by its definitions. */
import { describe, expect, it } from "vitest";
import {
  cholesky,
  computeRowGram,
  invertLower,
  multiply,
  computeSvd,
  decomposeSymmetric,
  transpose,
} from "../../../../src/backend/compression/algebra/linearAlgebra";
import { computeRelativeError, createUniform } from "../../../support/sampleValues";

const drawn = (count: number, seed: number) => {
  const random = createUniform(seed);
  return Float64Array.from({ length: count }, () => 2 * random() - 1);
};
const identity = (n: number) => Float64Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0));

describe("linear algebra", () => {
  const n = 9;
  const positive = computeRowGram(drawn(n * 12, 1), n, 12);

  it("factors a positive definite matrix, inverts the factor, and refuses any other matrix", () => {
    const lower = cholesky(positive, n)!;
    expect(computeRelativeError(multiply(lower, transpose(lower, n, n), [n, n, n]), positive)).toBeLessThan(
      1e-12,
    );
    expect(computeRelativeError(multiply(invertLower(lower, n), lower, [n, n, n]), identity(n))).toBeLessThan(
      1e-10,
    );
    expect(cholesky(computeRowGram(drawn(n * 3, 2), n, 3), n)).toBeUndefined();
    expect(cholesky([1, 0, 0, NaN], 2)).toBeUndefined();
  });

  it("finds eigenvectors, sorted by decreasing eigenvalue", () => {
    const { values, vectors } = decomposeSymmetric(positive, n);
    expect([...values]).toEqual([...values].sort((a, b) => b - a));
    for (let k = 0; k < n; k++) {
      const vector = vectors.subarray(k * n, (k + 1) * n);
      const image = multiply(positive, vector, [n, n, 1]);
      expect(
        computeRelativeError(
          image,
          vector.map((each) => each * values[k]!),
        ),
      ).toBeLessThan(1e-9);
    }
  });

  it.each([
    [7, 4],
    [4, 7],
    [5, 5],
  ])("finds the nearest product of a given rank for %i × %i", (m, k) => {
    const a = drawn(m * k, 3);
    const found = computeSvd(a, m, k);
    const { values } = found;
    expect(values.length).toBe(Math.min(m, k));
    for (let rank = 1; rank <= values.length; rank++) {
      const { a: left, b: right } = found.factors(rank);
      const near = multiply(left, right, [m, rank, k]);
      const error = near.reduce((sum, each, i) => sum + (each - a[i]!) ** 2, 0);
      // Eckart and Young: the error is the tail of the squared singular values.
      const tail = values.slice(rank).reduce((sum, each) => sum + each ** 2, 0);
      expect(error).toBeCloseTo(tail, 9);
    }
  });
});
