/**
 * Thins a curve for drawing without losing a spike: the axis is divided into equal intervals, and each keeps its
 * lowest and highest value and one non-finite value, so that gaps stay visible.
 */

export interface Thinning {
  /** Most points to keep, at least 8. */
  readonly points: number;
  /** Whether intervals are equal on a logarithmic axis. */
  readonly logarithmic: boolean;
}

/** Returns the indices to keep, ascending, always including the first and the last. `x` must not descend. */
export function thin(x: Float64Array, y: Float64Array, { points, logarithmic }: Thinning): Uint32Array {
  const count = x.length;
  if (count <= points) return Uint32Array.from({ length: count }, (_, place) => place);
  const hasGaps = y.some((value) => !Number.isFinite(value));
  const buckets = Math.floor((points - 2) / (hasGaps ? 3 : 2));
  const bucketOf = createBucketLookup(x, buckets, logarithmic);
  const indices: number[] = [0];
  const keep = (place: number) => {
    if (place > indices[indices.length - 1]!) indices.push(place);
  };
  for (let start = 0; start < count;) {
    const bucket = bucketOf(x[start]!);
    let [lowest, highest, gap] = [-1, -1, -1];
    let end = start;
    for (; end < count && bucketOf(x[end]!) === bucket; end++) {
      const value = y[end]!;
      if (!Number.isFinite(value)) gap = gap === -1 ? end : gap;
      else {
        if (lowest === -1 || value < y[lowest]!) lowest = end;
        if (highest === -1 || value > y[highest]!) highest = end;
      }
    }
    for (const place of [lowest, highest, gap].sort((a, b) => a - b)) if (place !== -1) keep(place);
    start = end;
  }
  keep(count - 1);
  return Uint32Array.from(indices);
}

/** The interval of each point. Values that a logarithmic axis cannot show belong to the first. */
function createBucketLookup(x: Float64Array, buckets: number, logarithmic: boolean): (at: number) => number {
  const firstShown = logarithmic ? x.find((at) => at > 0) : x[0];
  const last = x[x.length - 1]!;
  if (firstShown === undefined || !(last > firstShown)) return () => 0;
  const scale = logarithmic ? Math.log : (at: number) => at;
  const origin = scale(firstShown);
  const factor = buckets / (scale(last) - origin);
  return (at) => (at <= firstShown ? 0 : Math.min(buckets - 1, Math.floor((scale(at) - origin) * factor)));
}
