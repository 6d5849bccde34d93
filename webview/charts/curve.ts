/** One metric of one run on a page: the series from the service, with increments appended and a part of it in full detail. */
import type { Series } from "../../src/protocol/service/metrics";

export type Points = Pick<Series, "x" | "y">;

/** The curve with an increment; or the increment was already part of it, or does not begin where the curve ends. */
export type AppendResult = Series | "known" | "mismatch";

/** Appends the points of the lines after the first `from`, so that each line is taken exactly once. */
export function append(curve: Series, from: number, increment: Series): AppendResult {
  const { x, y, total, lines } = increment;
  if (lines <= curve.lines) return "known";
  if (from !== curve.lines) return "mismatch";
  const extended = { ...curve, total: curve.total + total, lines };
  return x.length === 0 ? extended : { ...extended, x: [...curve.x, ...x], y: [...curve.y, ...y] };
}

/** The curve with one stretch of it in the detail that was asked for. */
export function mergeDetail(whole: Points, detail: Points, from: number, to: number): Points {
  const last = detail.x.at(-1);
  if (last === undefined) return whole;
  const start = lowerBound(whole.x, from);
  // Live points that came after the detail was read lie behind its end, and stay.
  const end = upperBound(whole.x, Math.min(to, last));
  return {
    x: [...whole.x.slice(0, start), ...detail.x, ...whole.x.slice(end)],
    y: [...whole.y.slice(0, start), ...detail.y, ...whole.y.slice(end)],
  };
}

/** Index of the first value that is not below. */
export function lowerBound(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function upperBound(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the nearest point that is not a gap. */
export function findNearest({ x, y }: Points, position: number): number | undefined {
  const right = lowerBound(x, position);
  let [before, after] = [right - 1, right];
  while (before >= 0 && y[before] === null) before--;
  while (after < x.length && y[after] === null) after++;
  if (before < 0) return after < x.length ? after : undefined;
  if (after >= x.length) return before;
  return position - x[before]! <= x[after]! - position ? before : after;
}
