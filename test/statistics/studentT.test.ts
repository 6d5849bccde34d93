import { describe, expect, test } from "vitest";
import { computeEstimate, computeQuantile } from "../../src/statistics/studentT";

describe("Student's t", () => {
  // Printed tables, 97.5 % one-sided.
  test.each([
    [1, 12.7062],
    [2, 4.3027],
    [3, 3.1824],
    [4, 2.7764],
    [5, 2.5706],
    [9, 2.2622],
    [10, 2.2281],
    [29, 2.0452],
    [30, 2.0423],
    [120, 1.9799],
  ])("has the quantile of the tables for %d degrees of freedom", (freedom, wanted) => {
    expect(computeQuantile(freedom)).toBeCloseTo(wanted, 4);
  });

  test("matches the closed form for two degrees of freedom", () => {
    // F(t) = 1/2 + t / (2 √(2 + t²)), so t = 2a / √(1 − 4a²) · 1/√2 · … solved for a = 0.475.
    const a = 0.475;
    expect(computeQuantile(2)).toBeCloseTo((2 * a * Math.SQRT2) / Math.sqrt(1 - 4 * a * a), 10);
  });
});

describe("an estimate", () => {
  test("of three values is their mean with t(2) · s / √3", () => {
    // Mean 2, s = 1.
    const { mean, half, count } = computeEstimate([1, 2, 3]);
    expect([mean, count]).toEqual([2, 3]);
    expect(half).toBeCloseTo(4.302653 / Math.sqrt(3), 5);
  });

  test("of equal values has an interval of width zero, and of one value no interval", () => {
    expect(computeEstimate([1.5, 1.5]).half).toBe(0);
    expect(computeEstimate([1.5])).toEqual({ mean: 1.5, count: 1 });
  });
});
