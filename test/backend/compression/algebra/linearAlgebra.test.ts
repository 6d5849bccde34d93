/** Checks linear algebra by its definitions. */
import { describe, expect, it } from "vitest";
import {
  cholesky,
  computeRowGram,
  invertLower,
  multiply,
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
});
