import { describe, expect, it } from "vitest";
import type { Series } from "../../../src/protocol/service/metrics";
import { append, findNearest, mergeDetail } from "../../../webview/charts/curve";

/** The points of the lines after the first `from` up to `lines`, of which each has one unless `steps` names them. */
function points(
  from: number,
  lines: number,
  steps = Array.from({ length: lines - from }, (_, i) => from + i + 1),
): Series {
  const y = steps.map((step) => 1 / step);
  return { run: "r", metric: "train/loss", axis: "step", x: steps, y, total: steps.length, lines };
}

describe("increments", () => {
  it("are taken exactly once", () => {
    const curve = points(0, 3);
    expect(append(curve, 0, points(0, 3))).toBe("known");
    expect(append(curve, 1, points(1, 2))).toBe("known");
    expect(append(curve, 3, points(3, 6))).toEqual(points(0, 6));
  });

  it("that do not begin where the curve ends are refused, so that it is asked for again", () => {
    expect(append(points(0, 3), 4, points(4, 6))).toBe("mismatch");
    expect(append(points(0, 3), 2, points(2, 6))).toBe("mismatch");
  });

  it("count lines without the metric, keep a null as a gap, and count what was thinned", () => {
    const thinned = { ...points(0, 9, [1, 9]), total: 9 };
    const empty = append(thinned, 9, points(9, 10, [])) as Series;
    expect(empty).toEqual({ ...thinned, lines: 10 });
    const gap: Series = { ...points(10, 12, [11]), y: [null] };
    expect(append(empty, 10, gap)).toMatchObject({
      x: [1, 9, 11],
      y: [1, 1 / 9, null],
      total: 10,
      lines: 12,
    });
  });
});

describe("detail", () => {
  it("replaces its range and keeps the points around it, including live points after it", () => {
    const whole = { x: [0, 10, 20, 30, 40], y: [0, 1, 2, 3, 4] };
    const detail = { x: [10, 15, 20], y: [1, 9, 2] };
    expect(mergeDetail(whole, detail, 5, 25)).toEqual({ x: [0, 10, 15, 20, 30, 40], y: [0, 1, 9, 2, 3, 4] });
    expect(mergeDetail(whole, detail, 5, 99).x).toEqual([0, 10, 15, 20, 30, 40]);
    expect(mergeDetail(whole, { x: [], y: [] }, 5, 25)).toBe(whole);
  });
});

describe("the nearest point", () => {
  it("is an actual point: never a gap, never between two", () => {
    const points = { x: [0, 10, 20], y: [1, null, 3] };
    expect(findNearest(points, 9)).toBe(0);
    expect(findNearest(points, 11)).toBe(2);
    expect(findNearest(points, 999)).toBe(2);
    expect(findNearest({ x: [1], y: [null] }, 1)).toBeUndefined();
  });
});
