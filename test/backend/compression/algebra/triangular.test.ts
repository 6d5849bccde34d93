/** Checks factors that are made of blocks by their definition. */
import { expect, it } from "vitest";
import { computeRowGram, multiply } from "../../../../src/backend/compression/algebra/linearAlgebra";
import { loopAlgebra } from "../../../../src/backend/compression/algebra/products";
import { factorize } from "../../../../src/backend/compression/algebra/triangular";
import { computeRelativeError, createUniform } from "../../../support/sampleValues";

const drawPositive = (n: number, rank: number) => {
  const random = createUniform(n);
  const a = Float64Array.from({ length: n * rank }, () => random() - 0.5);
  return computeRowGram(a, n, rank);
};

it.each([1, 60, 129, 300])(
  "factors a positive definite matrix of %i rows and inverts the factor",
  async (n) => {
    const positive = drawPositive(n, 2 * n);
    const { lower, inverse } = (await factorize(loopAlgebra, positive, n))!;
    const product = await loopAlgebra.multiply(lower, lower, [n, n, n], { transposeB: true });
    expect(computeRelativeError(product, positive)).toBeLessThan(1e-12);
    const identity = Float64Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0));
    expect(computeRelativeError(multiply(inverse, lower, [n, n, n]), identity)).toBeLessThan(1e-11);
    for (const factor of [lower, inverse])
      for (let i = 0; i < n; i++)
        expect(factor.subarray(i * n + i + 1, (i + 1) * n).every((each) => each === 0)).toBe(true);
  },
);

it("refuses a matrix that is not positive definite, wherever that shows", async () => {
  const n = 200;
  for (const place of [5, 190]) {
    const positive = drawPositive(n, 2 * n);
    for (const value of [-1, 0, NaN]) {
      positive[place * n + place] = value;
      expect(await factorize(loopAlgebra, positive, n)).toBeUndefined();
    }
  }
  expect(await factorize(loopAlgebra, drawPositive(n, 150), n)).toBeUndefined();
});
