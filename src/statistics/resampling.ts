/**
 * Intervals without assumptions, by the bootstrap: a statistic of as many values drawn with replacement, many times
 * (Efron 1979).
 */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

export type Interval = readonly [low: number, high: number];

/**
 * 95 % percentile intervals of named statistics; `statistics` receives the drawn indices. Undefined without
 * resamples.
 */
export function resampleIntervals<K extends string>(
  count: number,
  { resamples, seed }: { readonly resamples: number; readonly seed: number },
  statistics: (indices: readonly number[]) => Readonly<Record<K, number>>,
): Readonly<Record<K, Interval>> | undefined {
  if (resamples === 0 || count === 0) return undefined;
  const random = xoroshiro128plus(seed);
  const all = Array.from({ length: resamples }, () =>
    statistics(Array.from({ length: count }, () => uniformInt(random, 0, count - 1))),
  );
  const at = (sorted: readonly number[], share: number) =>
    sorted[Math.min(resamples - 1, Math.floor(share * resamples))]!;
  const names = Object.keys(all[0]!) as K[];
  return Object.fromEntries(
    names.map((name) => {
      const sorted = all.map((each) => each[name]).sort((a, b) => a - b);
      return [name, [at(sorted, 0.025), at(sorted, 0.975)]];
    }),
  ) as unknown as Readonly<Record<K, Interval>>;
}

export function computeQuantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [low, high] = [Math.floor(place), Math.ceil(place)];
  return sorted[low]! + (place - low) * (sorted[high]! - sorted[low]!);
}

export function computeMean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length;
}
