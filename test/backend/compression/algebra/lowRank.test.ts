/** Compares low-rank approximations with the singular values that bound their error (Eckart and Young). */
import { afterAll, describe, expect, it } from "vitest";
import { multiply } from "../../../../src/backend/compression/algebra/linearAlgebra";
import {
  approximate,
  computeSingularValues,
  describeExcess,
} from "../../../../src/backend/compression/algebra/lowRank";
import { EngineAlgebra, loopAlgebra } from "../../../../src/backend/compression/algebra/products";
import { openEngine } from "../../../../src/backend/engine/open";
import { computeRelativeError, createUniform } from "../../../support/sampleValues";

const engine = await openEngine("cpu", { threads: 1 });
const algebra = new EngineAlgebra(engine);
afterAll(() => engine[Symbol.asyncDispose]());

const sumSquares = (values: Float64Array) => values.reduce((sum, each) => sum + each ** 2, 0);

describe("a low-rank approximation", () => {
  it.each([
    [7, 4],
    [4, 7],
    [5, 5],
  ])("of %i × %i has the smallest error at every rank", async (m, n) => {
    const random = createUniform(3);
    const a = Float64Array.from({ length: m * n }, () => 2 * random() - 1);
    const values = await computeSingularValues(loopAlgebra, a, [m, n]);
    expect(values.length).toBe(Math.min(m, n));
    for (let rank = 1; rank <= values.length; rank++) {
      const found = await approximate(loopAlgebra, a, [m, n], rank);
      const near = multiply(found.a, found.b, [m, rank, n]);
      const tail = sumSquares(values.slice(rank));
      expect(sumSquares(near.map((each, i) => each - a[i]!))).toBeCloseTo(tail, 9);
      expect(found.error).toBeCloseTo(tail, 9);
      expect(computeRelativeError(found.values, values.slice(0, rank))).toBeLessThan(1e-9);
      expect(describeExcess(found, "w")).toBeUndefined();
    }
  });

  const random = createUniform(8);
  const [m, n, rank] = [150, 210, 40];
  const noise = Float64Array.from({ length: m * n }, () => random() + random() + random() - 1.5);
  const waves = (i: number, j: number) =>
    Array.from({ length: 12 }, (_, k) => Math.sin((k + 1) * (i + 1)) * Math.cos((k + 2) * j)).reduce(
      (a, b) => a + b,
    );
  it.each<[string, (i: number, j: number) => number]>([
    ["noise", (i, j) => noise[i * n + j]!],
    ["inputs of unlike size", (i, j) => noise[i * n + j]! * Math.exp(-j / 15)],
    ["one huge direction", (i, j) => noise[i * n + j]! + 1e4 * Math.sin(i) * Math.cos(j)],
    ["equal singular values", (i, j) => Number(i === j)],
    ["a lower rank", waves],
    ["zeros", () => 0],
  ])(
    "found by iteration has the error that is reported, within the excess that is reported: %s",
    async (_, draw) => {
      const entries = Float64Array.from({ length: m * n }, (_, at) => draw(Math.floor(at / n), at % n));
      const energy = sumSquares(entries);
      const values = await computeSingularValues(algebra, entries, [m, n]);
      const smallest = sumSquares(values.slice(rank));
      const turned = Float64Array.from({ length: m * n }, (_, at) => draw(at % m, Math.floor(at / m)));
      for (const [matrix, sizes] of [
        [entries, [m, n]],
        [turned, [n, m]],
      ] as const) {
        const found = await approximate(algebra, matrix, sizes, rank);
        const near = await algebra.multiply(found.a, found.b, [sizes[0], rank, sizes[1]]);
        const error = sumSquares(near.map((each, i) => each - matrix[i]!));
        expect(Math.abs(error - found.error)).toBeLessThanOrEqual(1e-12 * energy);
        expect(found.excess).toBeLessThanOrEqual(2e-3);
        expect(error).toBeLessThanOrEqual(smallest * (1 + found.excess) ** 2 + 1e-12 * energy);
        if (found.excess > 0) expect(describeExcess(found, "w")).toMatch(/^w: .* at most [\d.e-]+ % above/);
      }
    },
  );

  it("of values that are not finite is refused", async () => {
    await expect(approximate(loopAlgebra, [1, NaN, 0, 1], [2, 2], 1)).rejects.toThrow(/not finite/);
  });
});
