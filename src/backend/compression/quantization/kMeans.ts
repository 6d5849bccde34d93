/**
 * k-means in one dimension, where the members of a cluster are an interval of the sorted values. `clusterExactly` finds the
 * optimum by dynamic programming (Wang and Song, Ckmeans.1d.dp, 2011), with divide and conquer over the monotone borders
 * of the optimal intervals; `clusterByLloyd` iterates from evenly spaced values (Deep Compression found linear initialization
 * best). Both minimize Σ weight · (value − centroid)².
 */

/** Sorted values with prefix sums of their weights h: Σ h, Σ h·v and Σ h·v². */
export interface SortedValues {
  readonly values: Float64Array;
  readonly sums: { readonly h: Float64Array; readonly hv: Float64Array; readonly hvv: Float64Array };
}

/** Without weights, each is 1. */
export function sortValues(values: Float32Array, weights?: Float64Array): SortedValues {
  const count = values.length;
  const order = sortIndices(values);
  const sorted = Float64Array.from(order, (from) => values[from]!);
  const createSums = () => new Float64Array(count + 1);
  const [h, hv, hvv] = [createSums(), createSums(), createSums()];
  for (let i = 0; i < count; i++) {
    const value = sorted[i]!;
    const weight = weights === undefined ? 1 : weights[order[i]!]!;
    h[i + 1] = h[i]! + weight;
    hv[i + 1] = hv[i]! + weight * value;
    hvv[i + 1] = hvv[i]! + weight * value * value;
  }
  return { values: sorted, sums: { h, hv, hvv } };
}

/** Returns the indices in the order of the values: a radix sort of their bits, which takes linear time. */
function sortIndices(values: Float32Array): Uint32Array {
  const count = values.length;
  const bits = new Uint32Array(values.slice().buffer);
  // Flip the sign bit of positive numbers and all bits of negative ones, so that the bits are ordered like the numbers.
  const keys = bits.map((each) => (each & 0x80000000 ? ~each : each | 0x80000000));
  let order = new Uint32Array(count).map((_, i) => i);
  let next = new Uint32Array(count);
  for (const shift of [0, 11, 22]) {
    const places = new Uint32Array(2049);
    for (const key of keys) places[((key >>> shift) & 2047) + 1]!++;
    for (let i = 1; i < places.length; i++) places[i]! += places[i - 1]!;
    for (const index of order) next[places[(keys[index]! >>> shift) & 2047]!++] = index;
    [order, next] = [next, order];
  }
  return order;
}

/** Values of one cluster, from `from` to before `to`: their mean, or that of the outermost two if none has a weight. */
function computeMean({ values, sums: { h, hv } }: SortedValues, from: number, to: number): number {
  const weight = h[to]! - h[from]!;
  return weight > 0 ? (hv[to]! - hv[from]!) / weight : (values[from]! + values[to - 1]!) / 2;
}

/** Points times clusters that the exact search takes at most. It evaluates about twenty times as many intervals. */
const maxSearch = 2 ** 22;

/**
 * Returns at most `count` sorted centroids: the optimum if there are at most 2²² / count values. More are first grouped
 * into that many runs of neighbors, which the search does not split, and the result is improved by Lloyd's algorithm.
 */
export function clusterExactly(sorted: SortedValues, count: number): Float64Array {
  const { values } = sorted;
  const points = Math.min(values.length, Math.max(count, Math.floor(maxSearch / count)));
  const starts = Float64Array.from({ length: points + 1 }, (_, i) =>
    Math.floor((i * values.length) / points),
  );
  const borders = findBorders(sorted, starts, Math.min(count, points));
  const centroids = Float64Array.from({ length: borders.length - 1 }, (_, i) =>
    computeMean(sorted, borders[i]!, borders[i + 1]!),
  ).sort();
  return points === values.length ? centroids : clusterByLloyd(sorted, centroids, lloydRounds);
}

const lloydRounds = 100;

/** Returns the borders of the best `count` intervals, as indices of values: intervals begin only at `starts`. */
function findBorders(
  { sums: { h, hv, hvv } }: SortedValues,
  starts: Float64Array,
  count: number,
): readonly number[] {
  const points = starts.length - 1;
  const cost = (from: number, to: number): number => {
    const [first, last] = [starts[from]!, starts[to]!];
    const weight = h[last]! - h[first]!;
    if (!(weight > 0)) return 0;
    const sum = hv[last]! - hv[first]!;
    return Math.max(0, hvv[last]! - hvv[first]! - (sum * sum) / weight);
  };
  // least[to]: the smallest cost of the first `to` points in as many intervals as there were rounds.
  let least = Float64Array.from({ length: points + 1 }, (_, to) => cost(0, to));
  const froms: Int32Array[] = [];
  for (let intervals = 2; intervals <= count; intervals++) {
    const next = new Float64Array(points + 1).fill(Infinity);
    const from = new Int32Array(points + 1);
    const previous = least;
    // The best start of the last interval never falls as its end rises.
    const solve = (low: number, high: number, lowest: number, highest: number): void => {
      if (low > high) return;
      const to = (low + high) >> 1;
      let [best, place] = [Infinity, lowest];
      for (let start = lowest; start <= Math.min(highest, to - 1); start++) {
        const total = previous[start]! + cost(start, to);
        if (total < best) [best, place] = [total, start];
      }
      [next[to], from[to]] = [best, place];
      solve(low, to - 1, lowest, place);
      solve(to + 1, high, place, highest);
    };
    solve(intervals, points, intervals - 1, points - 1);
    froms.push(from);
    least = next;
  }
  const borders = [points];
  for (const from of froms.reverse()) borders.push(from[borders.at(-1)!]!);
  borders.push(0);
  return borders.reverse().map((place) => starts[place]!);
}

/** Evenly spaced values from the smallest to the largest. */
export function spaceEvenly({ values }: SortedValues, count: number): Float64Array {
  const [low, high] = [values[0]!, values.at(-1)!];
  return Float64Array.from({ length: count }, (_, i) =>
    count === 1 ? (low + high) / 2 : low + ((high - low) * i) / (count - 1),
  );
}

/** Returns sorted centroids after at most `rounds` iterations, each of which is k binary searches. A centroid without members does not move. */
export function clusterByLloyd(sorted: SortedValues, start: Float64Array, rounds: number): Float64Array {
  const { values } = sorted;
  let centroids = start;
  for (let round = 0; round < rounds; round++) {
    let from = 0;
    const next = centroids.map((centroid, i) => {
      const border = i + 1 < centroids.length ? (centroid + centroids[i + 1]!) / 2 : Infinity;
      const to = findFirstAtLeast(values, border, from);
      const mean = to === from ? centroid : computeMean(sorted, from, to);
      from = to;
      return mean;
    });
    if (next.every((each, i) => each === centroids[i])) break;
    centroids = next;
  }
  return centroids;
}

/** Finds the first index, starting at `from`, whose value is at least `border`. */
function findFirstAtLeast(sorted: Float64Array, border: number, from: number): number {
  let [low, high] = [from, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < border) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of the nearest of sorted centroids. */
export function findNearest(centroids: Float64Array, value: number): number {
  const above = findFirstAtLeast(centroids, value, 0);
  if (above === 0) return 0;
  if (above === centroids.length) return above - 1;
  return value - centroids[above - 1]! < centroids[above]! - value ? above - 1 : above;
}
