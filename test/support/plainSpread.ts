/** A histogram as `train.watch` records it, counted value by value. */
import { binCount, binsPerOctave, getBinEdges, type Spread, zeroBin } from "../../src/protocol/watch";

export function countPlainly(values: ArrayLike<number>): Spread {
  const finite = Array.from(values).filter((each) => Number.isFinite(each));
  const mean = finite.reduce((sum, each) => sum + each, 0) / finite.length;
  const squares = finite.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  const counts = new Array<number>(binCount).fill(0);
  for (const each of finite) counts[findBin(each)]!++;
  const first = counts.findIndex((each) => each > 0);
  return {
    mean,
    deviation: Math.sqrt(squares / finite.length),
    min: finite.reduce((a, b) => Math.min(a, b)),
    max: finite.reduce((a, b) => Math.max(a, b)),
    notFinite: values.length - finite.length,
    first,
    counts: counts.slice(first, counts.findLastIndex((each) => each > 0) + 1),
  };
}

function findBin(value: number): number {
  // The device works in single precision and counts what is this close below an edge above it.
  const magnitude = Math.abs(value) * 2 ** (1e-4 / binsPerOctave);
  let [low, high] = [0, zeroBin];
  // The last bin on the side of positive numbers that starts at or below the magnitude; 0 for zero.
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (getBinEdges(zeroBin + middle)[0] <= magnitude) low = middle;
    else high = middle - 1;
  }
  return value < 0 ? zeroBin - low : zeroBin + low;
}

/** How many values are in another bin, as those that are nearest to an edge may be. */
export function countMoved(actual: Spread, expected: Spread): number {
  let different = 0;
  for (let bin = 0; bin < binCount; bin++)
    different += Math.abs(
      (actual.counts[bin - actual.first] ?? 0) - (expected.counts[bin - expected.first] ?? 0),
    );
  return different / 2;
}
