/** A moving average over the axis, which neither the spacing of points nor their thinning changes much. */

/** Width of the average for a slider from 0 to 1, as a share of the whole axis: fine at the beginning, a fifth at the end. */
export function computeSmoothingWidth(amount: number, range: number): number {
  return 0.2 * amount ** 2 * range;
}

/**
 * s(x) = ∫ y(u) e^((u − x)/width) du / ∫ e^((u − x)/width) du over all u ≤ x: each point counts for the stretch before
 * it, and the denominator corrects the bias at the start. A gap remains a gap, and the average continues after it.
 */
export function smooth(
  x: readonly number[],
  y: readonly (number | null)[],
  width: number,
): (number | null)[] {
  let [sum, weight, before] = [0, 0, NaN];
  return y.map((value, i) => {
    if (value === null) return null;
    const position = x[i]!;
    // The first point covers a stretch as long as the next one's.
    const gap = Number.isNaN(before) ? (x[i + 1] ?? position) - position : position - before;
    const decay = Math.exp(-Math.max(gap, width * 1e-6) / width);
    sum = sum * decay + value * (1 - decay);
    weight = weight * decay + (1 - decay);
    before = position;
    return sum / weight;
  });
}
