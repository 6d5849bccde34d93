import { describe, expect, it } from "vitest";
import { Pace } from "../../src/statistics/pace";

describe("the pace of work", () => {
  it("is known from the second report on, and follows from all since the first", () => {
    const pace = new Pace();
    expect(pace.estimate(2, 12, "windows", 1000)).toBeUndefined();
    expect(pace.estimate(4, 12, "windows", 5000)).toBe(16);
    expect(pace.estimate(8, 12, "windows", 25_000)).toBe(16);
    expect(pace.estimate(12, 12, "windows", 30_000)).toBe(0);
  });

  it("starts again with other work, and where the same starts again", () => {
    const pace = new Pace();
    pace.estimate(1, 9, "batches", 0);
    pace.estimate(2, 9, "batches", 1000);
    expect(pace.estimate(3, 9, "matrices", 2000)).toBeUndefined();
    expect(pace.estimate(4, 9, "matrices", 5000)).toBe(15);
    expect(pace.estimate(1, 9, "matrices", 6000)).toBeUndefined();
    expect(pace.estimate(2, 9, "matrices", 8000)).toBe(14);
  });

  it("does not count what an interrupted attempt has done", () => {
    const pace = new Pace(1);
    expect(pace.estimate(7, 28, "matrices", 0)).toBeUndefined();
    expect(pace.estimate(14, 28, "matrices", 100)).toBeUndefined();
    expect(pace.estimate(15, 28, "matrices", 10_100)).toBe(130);
  });
});
