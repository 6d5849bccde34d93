import { describe, expect, it } from "vitest";
import type { AppendedLine } from "../../../src/protocol/service/metrics";
import { append, type Curve, findNearest, mergeDetail } from "../../../webview/charts/curve";

const empty: Curve = { run: "r", metric: "train/loss", axis: "step", x: [], y: [], total: 0, lines: 0 };
const line = (step: number): AppendedLine => ({ step, seconds: step / 10, "train/loss": 1 / step });
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i + 1));

describe("increments", () => {
  it("are taken exactly once, however they overlap", () => {
    let curve = append(empty, 0, lines(0, 3)) as Curve;
    expect(append(curve, 0, lines(0, 3))).toBe("known");
    expect(append(curve, 1, lines(1, 2))).toBe("known");
    curve = append(curve, 1, lines(1, 6)) as Curve;
    expect(curve.x).toEqual([1, 2, 3, 4, 5, 6]);
    expect(curve).toMatchObject({ lines: 6, total: 6 });
  });

  it("that leave lines out are refused, so that they are asked for", () => {
    expect(append(empty, 1, lines(1, 3))).toBe("gap");
  });

  it("count lines without the metric, and keep a null as a gap", () => {
    const other: AppendedLine = { step: 1, seconds: 0.1, "eval/loss": 2 };
    const broken: AppendedLine = { step: 2, seconds: 0.2, "train/loss": null };
    const curve = append(empty, 0, [other, broken, line(3)]) as Curve;
    expect(curve.x).toEqual([2, 3]);
    expect(curve.y).toEqual([null, 1 / 3]);
    expect(curve.lines).toBe(3);
  });

  it("leave out lines that name no place on the axis", () => {
    const curve = append({ ...empty, axis: "tokens" }, 0, [line(1), { ...line(2), tokens: 64 }]) as Curve;
    expect(curve.x).toEqual([64]);
  });
});

describe("detail", () => {
  it("takes the place of its stretch and leaves what lies around it, live points behind it included", () => {
    const whole = { x: [0, 10, 20, 30, 40], y: [0, 1, 2, 3, 4] };
    const detail = { x: [10, 15, 20], y: [1, 9, 2] };
    expect(mergeDetail(whole, detail, 5, 25)).toEqual({ x: [0, 10, 15, 20, 30, 40], y: [0, 1, 9, 2, 3, 4] });
    expect(mergeDetail(whole, detail, 5, 99).x).toEqual([0, 10, 15, 20, 30, 40]);
    expect(mergeDetail(whole, { x: [], y: [] }, 5, 25)).toBe(whole);
  });
});

describe("the nearest point", () => {
  it("is a true one: never a gap, never between two", () => {
    const points = { x: [0, 10, 20], y: [1, null, 3] };
    expect(findNearest(points, 9)).toBe(0);
    expect(findNearest(points, 11)).toBe(2);
    expect(findNearest(points, 999)).toBe(2);
    expect(findNearest({ x: [1], y: [null] }, 1)).toBeUndefined();
  });
});
