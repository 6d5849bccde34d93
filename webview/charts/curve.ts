/** One metric of one run as a page keeps it: thinned points, live ones appended, a part of it in full detail. */
import type { AppendedLine, Axis, Series } from "../../src/protocol/service/metrics";

export type Points = Pick<Series, "x" | "y">;

export interface Curve {
  readonly run: string;
  readonly metric: string;
  readonly axis: Axis;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  /** Points of the history so far; more than are here where it was thinned. */
  readonly total: number;
  /** Lines of the history that it takes into account. */
  readonly lines: number;
}

/** An increment continues the curve, was part of it already, or leaves lines out in between. */
export type AppendResult = Curve | "known" | "gap";

/** Takes each line of the history exactly once, whatever part of them the curve knows already. */
export function append(curve: Curve, from: number, lines: readonly AppendedLine[]): AppendResult {
  if (from > curve.lines) return "gap";
  const newLines = lines.slice(curve.lines - from);
  if (newLines.length === 0) return "known";
  const x: number[] = [];
  const y: (number | null)[] = [];
  for (const line of newLines) {
    const at = line[curve.axis];
    const value = line[curve.metric as `${string}/${string}`];
    if (at === undefined || value === undefined) continue;
    x.push(at);
    y.push(value);
  }
  const extended = { ...curve, total: curve.total + x.length, lines: from + lines.length };
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
