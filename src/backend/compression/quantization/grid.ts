/**
 * Grids of quantized weights: w ≈ (code − zero) · scale. The range of a grid is that of its weights, or the one with the least
 * squared error, found by a search.
 */

/** Codes run from −2^(bits − 1) to 2^(bits − 1) − 1. The scale can be negative; `zero` is a code, or between codes (HQQ). */
export interface Grid {
  readonly scale: number;
  readonly zero: number;
}

export interface GridOptions {
  readonly bits: number;
  /** True for a zero point of 0. */
  readonly symmetric: boolean;
  /** Whether the extreme code of a symmetric grid represents the weight of the largest magnitude, whatever its sign. */
  readonly signed_scale: boolean;
  /** `minmax` covers all weights, `mse` has the least squared error. */
  readonly observer: Observer;
}

export type Observer = "minmax" | "mse";

/** Adding and subtracting 1.5 · 2⁵² rounds a double below 2⁵¹ to an integer, halves to even. */
const roundingShift = 1.5 * 2 ** 52;

/** Rounds to the nearest integer, halves to the even one, as torch.round does. */
export const roundHalfToEven = (value: number): number => value + roundingShift - roundingShift;

/** The quotient is rounded to float32 first, so that ties are those of a float32 implementation. */
export function encodeValue(value: number, { scale, zero }: Grid, bits: number): number {
  const half = 2 ** (bits - 1);
  const quotient = Math.fround(value / scale);
  const code = Number.isInteger(zero) ? roundHalfToEven(quotient) + zero : roundHalfToEven(quotient + zero);
  return Math.max(-half, Math.min(half - 1, code));
}

export function decodeValue(code: number, { scale, zero }: Grid): number {
  return (code - zero) * scale;
}

/** Returns the grid that covers values from `low` to `high`; zero is always on it. */
export function computeGrid(
  low: number,
  high: number,
  { bits, symmetric, signed_scale: signed }: Omit<GridOptions, "observer">,
): Grid {
  const steps = 2 ** bits - 1;
  const half = 2 ** (bits - 1);
  // A group of zeros can have any scale.
  const toScale = (value: number) => Math.fround(value) || 1;
  if (!symmetric) {
    const [from, to] = [Math.min(0, low), Math.max(0, high)];
    const scale = toScale((to - from) / steps);
    return { scale, zero: roundHalfToEven(Math.fround(-from / scale)) - half };
  }
  if (signed) return { scale: toScale(-(high > -low ? high : low) / half), zero: 0 };
  return { scale: toScale((2 * Math.max(Math.abs(low), Math.abs(high))) / steps), zero: 0 };
}

/**
 * Returns the grid of a group. With `mse`, it minimizes Σ importance · (w − q)², where every importance is 1 if none is given:
 * each range of a scan gives codes, and codes have a least-squares scale and zero point; the best are improved by rounding
 * again. The error is never larger than that of `minmax`.
 */
export function chooseGrid(
  values: Float64Array,
  importance: Float64Array | undefined,
  options: GridOptions,
): Grid {
  let [low, high] = [0, 0];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const start = computeGrid(low, high, options);
  if (options.observer === "minmax" || (low === 0 && high === 0)) return start;
  const group = { values, importance, bits: options.bits, movesZero: !options.symmetric };
  const half = 2 ** (options.bits - 1);
  const [smallest, step] = options.bits <= 4 ? [0.3, 0.1] : [0.7, 0.05];
  const fits: Fit[] = [fitCodes(group, start)];
  for (let share = 1; share > smallest; share -= step) {
    if (options.symmetric) {
      // The largest weight is between both extremes, at half and at half − 1 steps from zero.
      const scale = (share * Math.max(-low, high)) / (half - 1);
      fits.push(fitCodes(group, { scale, zero: 0 }));
      if (options.signed_scale) fits.push(fitCodes(group, { scale: -scale, zero: 0 }));
    } else fits.push(fitCodes(group, computeGrid(share * low, share * high, options)));
  }
  let best = start;
  let least = measureError(group, start);
  for (const fit of fits.sort((a, b) => a.error - b.error).slice(0, descents)) {
    const grid = descend(group, fit);
    const error = measureError(group, grid);
    if (error < least) [best, least] = [grid, error];
  }
  return best;
}

/** How many of the best ranges are improved, and for how many rounds at most. */
const [descents, maxRounds] = [3, 8];

interface Group {
  readonly values: Float64Array;
  readonly importance: Float64Array | undefined;
  readonly bits: number;
  /** Whether the zero point can be any code. */
  readonly movesZero: boolean;
}

/** The best grid for given codes. The error is a bound: with the codes of this grid, it is smaller or equal. */
interface Fit {
  readonly grid: Grid;
  readonly error: number;
}

function descend(group: Group, fit: Fit): Grid {
  let best = fit;
  for (let round = 0; round < maxRounds; round++) {
    const next = fitCodes(group, best.grid);
    if (!(next.error < best.error)) break;
    best = next;
  }
  return { scale: Math.fround(best.grid.scale), zero: best.grid.zero };
}

/**
 * Encodes the values and returns the grid that decodes the codes c with the least error. For a zero point z, the scale is
 * Σ h·w·(c − z) / Σ h·(c − z)², and the error falls by the square of the first sum over the second.
 */
function fitCodes({ values, importance, bits, movesZero }: Group, { scale, zero }: Grid): Fit {
  const half = 2 ** (bits - 1);
  const inverse = 1 / scale;
  let [h, hc, hcc, hw, hwc, hww] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    let code = value * inverse + roundingShift - roundingShift + zero;
    if (code < -half) code = -half;
    else if (code > half - 1) code = half - 1;
    const weight = importance === undefined ? 1 : importance[i]!;
    const weighted = weight * value;
    h += weight;
    hc += weight * code;
    hcc += weight * code * code;
    hw += weighted;
    hwc += weighted * code;
    hww += weighted * value;
  }
  let best: Fit = { grid: { scale, zero }, error: Infinity };
  const tryZero = (z: number) => {
    const product = hwc - z * hw;
    const square = hcc - 2 * z * hc + z * z * h;
    const error = hww - (product * product) / square;
    if (error < best.error) best = { grid: { scale: product / square, zero: z }, error };
  };
  tryZero(zero);
  if (movesZero) {
    // The zero points next to that of the regression line of the values over the codes.
    const slope = (h * hwc - hw * hc) / (h * hcc - hc * hc);
    const below = Math.floor((hc - hw / slope) / h);
    for (const z of [below, below + 1]) if (z >= -half && z < half) tryZero(z);
  }
  // With all codes at the zero point, there is no scale.
  return best.grid.scale === 0 ? { grid: { scale, zero }, error: Infinity } : best;
}

function measureError({ values, importance, bits }: Group, grid: Grid): number {
  let error = 0;
  for (let i = 0; i < values.length; i++) {
    const difference = values[i]! - decodeValue(encodeValue(values[i]!, grid, bits), grid);
    error += (importance?.[i] ?? 1) * difference * difference;
  }
  return error;
}
