/** Curves that are computed from measured ones: over another metric, as the mean of a group, as differences to a baseline. */
import { computeEstimate } from "../../src/statistics/studentT";
import { isSameProtocol } from "../../src/protocol/lossProtocol";
import type { Band, Track } from "../kit/drawing";
import { lowerBound, type Points } from "./curve";

/** Points of a mean: what a wide screen can show. */
const maxPoints = 2000;

export interface TrackGroup {
  readonly key: string;
  readonly name: string;
  readonly slot: number;
  readonly runs: readonly string[];
}

/** The value at a place on the axis, on the line between its neighbors; null outside of the curve and in a gap. */
export function interpolate({ x, y }: Points, position: number): number | null {
  const right = lowerBound(x, position);
  if (right >= x.length) return null;
  if (x[right] === position) return y[right] ?? null;
  if (right === 0) return null;
  const [before, after] = [y[right - 1] ?? null, y[right] ?? null];
  if (before === null || after === null) return null;
  const share = (position - x[right - 1]!) / (x[right]! - x[right - 1]!);
  return before + share * (after - before);
}

/** The curve over the values of another metric of the same run, from the lowest to the highest. */
export function placeOnMetric(points: Points, other: Points): Points {
  const pairs = points.x.flatMap((at, i) => {
    const position = interpolate(other, at);
    return position === null ? [] : [[position, points.y[i] ?? null] as const];
  });
  pairs.sort((a, b) => a[0] - b[0]);
  return { x: pairs.map(([x]) => x), y: pairs.map(([, y]) => y) };
}

/**
 * A curve for each group and metric: the mean of its runs wherever all that reach so far have a value, with a band. Runs that
 * measured the metric differently have no mean: each is drawn thin.
 */
export function averageTracks(tracks: readonly Track[], groups: readonly TrackGroup[], band: Band): Track[] {
  return groups.flatMap((group) => {
    const members = tracks.filter(({ run }) => group.runs.includes(run));
    const metrics = [...new Set(members.map(({ metric }) => metric))];
    return metrics.map((metric): Track => {
      const curves = members.filter((track) => track.metric === metric);
      const { run, place } = { run: group.key, place: curves[0]!.place };
      const named = { run, metric, place, name: group.name, slot: group.slot, isDerived: true };
      const all = curves.map(({ points }) => points);
      if (!curves.every(({ protocol }) => isSameProtocol(protocol, findProtocol(curves))))
        return { ...named, points: { x: [], y: [] }, members: all, isSplit: true };
      const protocol = findProtocol(curves);
      return {
        ...named,
        protocol,
        ...averagePoints(all, band),
        ...(band === "runs" ? { members: all } : {}),
      };
    });
  });
}

function averagePoints(curves: readonly Points[], band: Band): Pick<Track, "points" | "band"> {
  const places = [...new Set(curves.flatMap(({ x }) => x))].sort((a, b) => a - b);
  const interval = Math.ceil(places.length / maxPoints);
  const x = places.filter((_, i) => i % interval === 0 || i === places.length - 1);
  const y: (number | null)[] = [];
  const low: (number | null)[] = [];
  const high: (number | null)[] = [];
  for (const at of x) {
    const values = curves.flatMap((curve) => interpolate(curve, at) ?? []);
    if (values.length === 0) {
      for (const list of [y, low, high]) list.push(null);
      continue;
    }
    const { mean, half = 0 } = computeEstimate(values);
    y.push(mean);
    low.push(band === "range" ? Math.min(...values) : mean - half);
    high.push(band === "range" ? Math.max(...values) : mean + half);
  }
  const hasBand = curves.length > 1 && band !== "runs";
  return { points: { x, y }, ...(hasBand ? { band: { low: { x, y: low }, high: { x, y: high } } } : {}) };
}

function findProtocol(tracks: readonly Track[]): Track["protocol"] {
  return tracks.find(({ protocol }) => protocol !== undefined)?.protocol;
}

/** Of means that were not formed, in a sentence. */
export function describeSplitGroups(tracks: readonly Track[]): string[] {
  return tracks.flatMap(({ isSplit, name, metric }) =>
    isSplit === true
      ? [`The runs of ${name} have no mean, because their ${metric} was not measured in the same way.`]
      : [],
  );
}

export interface Differences {
  readonly tracks: readonly Track[];
  /** Curves that were measured differently than the baseline's, and so are left out. */
  readonly incomparable: readonly Track[];
}

export function describeIncomparable(tracks: readonly Track[]): string[] {
  const shown = tracks.slice(0, 3).map(({ name, metric }) => `${name} (${metric})`);
  const more = tracks.length > shown.length ? [`${tracks.length - shown.length} more`] : [];
  return tracks.length === 0
    ? []
    : [`Not comparable with it, because measured differently: ${[...shown, ...more].join(", ")}.`];
}

/** Each curve minus the baseline's of the same metric, where the baseline has a value; nothing where it has none at all. */
export function subtractBaseline(tracks: readonly Track[], baseline: string): Differences {
  const references = new Map(
    tracks.filter(({ run }) => run === baseline).map((track) => [track.metric, track]),
  );
  const isComparable = (track: Track) => {
    const reference = references.get(track.metric);
    // A baseline without a mean is a reference for nothing.
    if (reference === undefined || reference.isSplit === true) return true;
    return track.isSplit !== true && isSameProtocol(track.protocol, reference.protocol);
  };
  return {
    tracks: subtract(tracks.filter(isComparable), references),
    incomparable: tracks.filter((track) => !isComparable(track)),
  };
}

function subtract(tracks: readonly Track[], references: ReadonlyMap<string, Track>): Track[] {
  return tracks.flatMap((track) => {
    const reference = references.get(track.metric)?.points;
    if (reference === undefined) return [];
    const subtractAt = ({ x, y }: Points): Points => ({
      x,
      y: x.map((at, i) => {
        const [value, base] = [y[i] ?? null, interpolate(reference, at)];
        return value === null || base === null ? null : value - base;
      }),
    });
    return {
      ...track,
      isDerived: true,
      points: subtractAt(track.points),
      ...(track.band === undefined
        ? {}
        : { band: { low: subtractAt(track.band.low), high: subtractAt(track.band.high) } }),
      ...(track.members === undefined ? {} : { members: track.members.map(subtractAt) }),
    };
  });
}

/** The part of the vertical axis in which all but the most extreme hundredth of the values is; undefined without values. */
export function findTypicalRange(
  curves: readonly Points[],
): { readonly from: number; readonly to: number } | undefined {
  const values = curves.flatMap(({ y }) => y.filter((value): value is number => value !== null));
  if (values.length === 0) return undefined;
  values.sort((a, b) => a - b);
  const pick = (share: number) => values[Math.round(share * (values.length - 1))]!;
  const [from, to] = [pick(0.01), pick(0.99)];
  const margin = (to - from) * 0.05 || Math.abs(to) * 0.05 || 1;
  return { from: from - margin, to: to + margin };
}
