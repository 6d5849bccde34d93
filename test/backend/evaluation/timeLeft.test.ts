import { expect, it } from "vitest";
import { TimeLeft } from "../../../src/backend/evaluation/timeLeft";

it("estimates the rest from the pace since the first report of a work", () => {
  const left = new TimeLeft();
  expect(left.estimate(0, 100, 5000)).toBeUndefined();
  // Ten in a second: nine seconds for the other ninety.
  expect(left.estimate(10, 100, 6000)).toBeCloseTo(9, 12);
  expect(left.estimate(100, 100, 9000)).toBe(0);
  // Another work of the same size, which begins with two that are done.
  expect(left.estimate(2, 100, 20_000)).toBeUndefined();
  expect(left.estimate(6, 100, 22_000)).toBeCloseTo(47, 12);
  expect(left.estimate(50, 60, 30_000)).toBeUndefined();
});
