/** Curves computed from measured ones, against numbers worked out by hand. */
import { describe, expect, test } from "vitest";
import {
  averageTracks,
  findTypicalRange,
  interpolate,
  placeOnMetric,
  subtractBaseline,
} from "../../../webview/charts/deriveTracks";
import type { Track } from "../../../webview/kit/drawing";

const track = (run: string, x: number[], y: (number | null)[], metric = "eval/loss"): Track => ({
  run,
  metric,
  name: run,
  slot: 0,
  place: 0,
  points: { x, y },
});
const group = { key: "g", name: "both", slot: 3, runs: ["a", "b"] };

test("a value between two points is on the line between them, and nowhere else", () => {
  const points = { x: [0, 10, 20], y: [1, 3, null] };
  expect([-1, 0, 5, 10, 15, 21].map((at) => interpolate(points, at))).toEqual([null, 1, 2, 3, null, null]);
});

describe("a group", () => {
  test("is the mean of its runs with the 95 % interval after Student", () => {
    const [mean] = averageTracks(
      [track("a", [0, 10], [1, 3]), track("b", [0, 5, 10], [3, 4, 5])],
      [group],
      "interval",
    );
    expect(mean).toMatchObject({ run: "g", name: "both", slot: 3, isDerived: true });
    expect(mean!.points).toEqual({ x: [0, 5, 10], y: [2, 3, 4] });
    // Two values 2 apart: a standard error of 1, times the quantile 12.706 of one degree of freedom.
    expect(mean!.band!.low.y[0]).toBeCloseTo(2 - 12.706, 2);
    expect(mean!.band!.high.y[2]).toBeCloseTo(4 + 12.706, 2);
  });

  test("spans its lowest and highest value, or shows each run thin", () => {
    const tracks = [track("a", [0, 10], [1, 3]), track("b", [0, 10], [3, 5])];
    expect(averageTracks(tracks, [group], "range")[0]!.band).toEqual({
      low: { x: [0, 10], y: [1, 3] },
      high: { x: [0, 10], y: [3, 5] },
    });
    const [thin] = averageTracks(tracks, [group], "runs");
    expect(thin!.band).toBeUndefined();
    expect(thin!.members).toEqual([tracks[0]!.points, tracks[1]!.points]);
  });

  test("continues with the runs that reach so far", () => {
    const [mean] = averageTracks(
      [track("a", [0, 10], [1, 3]), track("b", [0, 20], [3, 3])],
      [group],
      "range",
    );
    expect(mean!.points).toEqual({ x: [0, 10, 20], y: [2, 3, 3] });
  });
});

test("differences are to the baseline's curve of the same metric, where it has a value", () => {
  const differences = subtractBaseline(
    [track("a", [0, 10], [2, 4]), track("b", [0, 5, 30], [3, 3, 1]), track("b", [0], [1], "train/loss")],
    "a",
  );
  expect(differences.tracks.map(({ run, points }) => [run, points.y])).toEqual([
    ["a", [0, 0]],
    ["b", [1, 0, null]],
  ]);
});

test("a curve over another metric is in the order of that metric", () => {
  const points = placeOnMetric({ x: [0, 1, 2], y: [5, 6, 7] }, { x: [0, 2], y: [30, 10] });
  expect(points).toEqual({ x: [10, 20, 30], y: [7, 6, 5] });
});

test("the typical range leaves out a spike", () => {
  const y = Array.from({ length: 200 }, (_, i) => (i === 50 ? 1e6 : 2 + (i % 10) / 10));
  const { from, to } = findTypicalRange([{ x: y.map((_, i) => i), y }])!;
  expect(from).toBeGreaterThan(1.8);
  expect(to).toBeLessThan(3.1);
  expect(findTypicalRange([{ x: [0], y: [null] }])).toBeUndefined();
});
