/**
 * What `train.watch` records: how the numbers of a tensor are distributed, over bins that do not depend on the data, so
 * that all steps, layers and runs can be compared.
 */
import type { WatchedKind } from "../schema/watch";

/** A tensor of which a record is made. */
export interface WatchedTensor {
  readonly what: WatchedKind;
  /** Unique among those of the same kind. */
  readonly name: string;
  readonly role: string;
  /** The layer it belongs to, from 0; absent outside the layers. */
  readonly layer?: number;
  /** What it has in common with the tensors of the other layers: its name without the layer. */
  readonly group: string;
}

/** Unique among all tensors of a run. */
export function getTensorKey({ what, name }: Pick<WatchedTensor, "what" | "name">): string {
  return `${what} ${name}`;
}

export interface Spread {
  /** Of the finite values. */
  readonly mean: number;
  readonly deviation: number;
  readonly min: number;
  readonly max: number;
  readonly notFinite: number;
  /** The bin that `counts` starts with; all other bins are empty. */
  readonly first: number;
  readonly counts: readonly number[];
}

/** Bins are a quarter of an octave wide, over all normal numbers of single precision; zero has a bin of its own. */
export const binsPerOctave = 4;
export const lowestExponent = -126;
/** Bins of the positive numbers, and of the negative ones. */
export const sideBins = 254 * binsPerOctave;
export const zeroBin = sideBins;
export const binCount = 2 * sideBins + 1;

/** The numbers in a bin: `low` to `high`, both zero for the bin of zero. */
export function getBinEdges(bin: number): readonly [low: number, high: number] {
  const place = Math.abs(bin - zeroBin);
  if (place === 0) return [0, 0];
  const edge = (at: number) => 2 ** (lowestExponent + at / binsPerOctave);
  return bin > zeroBin ? [edge(place - 1), edge(place)] : [-edge(place), -edge(place - 1)];
}

export function countValues({ counts }: Pick<Spread, "counts">): number {
  return counts.reduce((total, each) => total + each, 0);
}

/** The numbers that are one per tensor and step. */
export const statistics = ["deviation", "mean", "largest", "zeros", "notFinite"] as const;
export type Statistic = (typeof statistics)[number];

export function getStatistic(spread: Spread, statistic: Statistic): number {
  if (statistic === "largest") return Math.max(Math.abs(spread.min), Math.abs(spread.max));
  if (statistic === "deviation" || statistic === "mean") return spread[statistic];
  const finite = countValues(spread);
  const all = finite + spread.notFinite;
  if (all === 0) return 0;
  return (statistic === "zeros" ? (spread.counts[zeroBin - spread.first] ?? 0) : spread.notFinite) / all;
}
