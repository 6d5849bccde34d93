import { expect, it } from "vitest";
import { compareAnswers, comparePaired } from "../../src/statistics/pairedComparison";

/** Answers of two models with the given numbers of documents that both, only the first, only the second and none has right. */
function createAnswers(both: number, onlyFirst: number, onlySecond: number, none: number) {
  const repeat = (count: number, value: number) => new Array<number>(count).fill(value);
  return {
    first: [...repeat(both, 1), ...repeat(onlyFirst, 1), ...repeat(onlySecond, 0), ...repeat(none, 0)],
    second: [...repeat(both, 1), ...repeat(onlyFirst, 0), ...repeat(onlySecond, 1), ...repeat(none, 0)],
  };
}

// Exact values of the binomial test, 2 · Σ C(n, k) / 2ⁿ.
it.each([
  [0, 5, 2 / 32],
  [1, 5, (2 * (1 + 6)) / 64],
  [3, 3, 1],
  [2, 8, (2 * (1 + 10 + 45)) / 1024],
  [0, 0, 1],
])("tests %i against %i discordant answers exactly", (onlyFirst, onlySecond, p) => {
  const { first, second } = createAnswers(7, onlyFirst, onlySecond, 4);
  const found = compareAnswers(first, second);
  expect(found).toMatchObject({ onlyFirst, onlySecond });
  expect(found.p).toBeCloseTo(p, 12);
  expect(compareAnswers(second, first).p).toBeCloseTo(p, 12);
});

it("does not underflow for thousands of documents", () => {
  const { first, second } = createAnswers(0, 2500, 2600, 0);
  // The normal approximation with continuity correction gives z = 99 / √5100.
  expect(compareAnswers(first, second).p).toBeCloseTo(0.1656, 3);
});

it("resamples documents with both of their values", () => {
  const first = Array.from({ length: 200 }, (_, i) => Math.sin(i * 12.9898) * 10);
  const second = first.map((value, i) => value + 0.5 + (i % 2 === 0 ? 0.1 : -0.1));
  const { difference, interval } = comparePaired(first, second, { resamples: 500, seed: 1 });
  expect(difference).toBeCloseTo(0.5, 12);
  // Unpaired, the spread of the values would hide the difference.
  expect(interval![0]).toBeGreaterThan(0.48);
  expect(interval![1]).toBeLessThan(0.52);
  expect(comparePaired(first, second, { resamples: 500, seed: 1 }).interval).toEqual(interval);
});

it("refuses values that are not paired", () => {
  expect(() => compareAnswers([1, 0], [1])).toThrow(/not 2 and 1/);
  expect(() => comparePaired([], [], { resamples: 10, seed: 0 })).toThrow(/not 0 and 0/);
});
