/** Means over seeds with their 95 % intervals after Student. */

export interface Estimate {
  readonly mean: number;
  /** Half the width of the 95 % interval; undefined for a single value, whose error is unknown. */
  readonly half?: number;
  readonly count: number;
}

/** For at least one value. */
export function computeEstimate(values: readonly number[]): Estimate {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count < 2) return { mean, count };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const half = computeQuantile(count - 1) * Math.sqrt(squares / (count - 1) / count);
  return { mean, half, count };
}

const quantiles = new Map<number, number>();

/** The 97.5 % quantile of Student's t, found by bisection of `computeCentralProbability` and kept: curves need it at each point. */
export function computeQuantile(freedom: number): number {
  const quantile = quantiles.get(freedom) ?? findQuantile(freedom);
  quantiles.set(freedom, quantile);
  return quantile;
}

function findQuantile(freedom: number): number {
  let [low, high] = [0, 13]; // One degree of freedom has the largest, 12.706.
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (computeCentralProbability(middle, freedom) < 0.95) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Probability of -t to t: the finite sums for integer degrees of freedom, Abramowitz and Stegun 26.7.3 and 26.7.4.
 */
function computeCentralProbability(t: number, freedom: number): number {
  const angle = Math.atan(t / Math.sqrt(freedom));
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const odd = freedom % 2 === 1;
  let term = odd ? cosine : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k < freedom; k += 2) {
    term *= ((k - 1) / k) * cosine ** 2;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
}
