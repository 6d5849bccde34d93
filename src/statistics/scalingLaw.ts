/**
 * Scaling laws: how a loss falls along one or two sizes, such as parameters N and tokens D, down to a floor that no size
 * reaches. L(N) = E + A · N^−a (Hestness et al. 2017, arXiv 1712.00409, equation 1), and L(N, D) = E + A · N^−a + B · D^−b
 * (Hoffmann et al. 2022, arXiv 2203.15556, equation 2).
 */
import { type Interval, resampleIntervals } from "./resampling";

export interface ScalingPoint {
  /** One number for each size of the law, positive. */
  readonly sizes: readonly number[];
  /** Positive, such as nats per token. */
  readonly loss: number;
}

export interface ScalingTerm {
  /** The factor A of A · N^−a, not negative. */
  readonly factor: number;
  /** The exponent a, positive. */
  readonly exponent: number;
}

export interface ScalingLaw {
  /** The loss E that remains at any size, not negative. */
  readonly floor: number;
  /** One for each size. */
  readonly terms: readonly ScalingTerm[];
}

export interface ScalingFit {
  readonly law: ScalingLaw;
  /** 95 % intervals of the floor and of the exponents. */
  readonly intervals: { readonly floor: Interval; readonly exponents: readonly Interval[] };
  /** Root mean square of the relative residuals, corrected for the fitted numbers. */
  readonly deviation: number;
}

const [least, most] = [0.01, 3];
/** Exponents that are tried before the best is refined. */
const starts = { 1: 60, 2: 14 } as const;
/** Factor up and down within which the exponents of drawn residuals are looked for. */
const nearby = 3;
/** Relative residuals beyond this count linearly (Hoffmann et al. 2022, appendix D.3). */
const huber = 1e-3;
const reweightings = 15;
const resamples = { 1: 200, 2: 60 } as const;
/** Exponents of two terms depend on one another, so each is refined in turn, so many times. */
const rounds = { 1: 1, 2: 8 } as const;

/** Sizes that a law of so many terms needs at least, more than it has numbers. */
export const countNeededSizes = (terms: number): number => 2 * terms + 2;

/** Fits a law by the Huber loss of relative residuals. Points with equal sizes, such as seeds, count one by one. */
export function fitScalingLaw(points: readonly ScalingPoint[]): ScalingFit {
  const terms = points[0]!.sizes.length;
  const law = findLaw(points, terms);
  const fitted = points.map(({ sizes }) => predictLoss(law, sizes));
  const residuals = points.map(({ loss }, i) => loss / fitted[i]! - 1);
  const freedom = Math.max(1, points.length - countCoefficients(terms));
  const deviation = Math.sqrt(residuals.reduce((sum, r) => sum + r * r, 0) / freedom);
  // Residuals of a fit are smaller than its errors.
  const scale = Math.sqrt(points.length / freedom);
  const names = ["floor", ...law.terms.map((_, i) => `exponent ${i}`)];
  const found = resampleIntervals(
    points.length,
    { resamples: resamples[terms as 1 | 2], seed: 0 },
    (indices) => {
      const drawn = points.map(({ sizes }, i) => ({
        sizes,
        loss: fitted[i]! * (1 + scale * residuals[indices[i]!]!),
      }));
      // The exponents of drawn residuals are near those of the fit.
      const other = findLaw(
        drawn,
        terms,
        law.terms.map(({ exponent }) => exponent),
      );
      return Object.fromEntries(
        [other.floor, ...other.terms.map(({ exponent }) => exponent)].map((value, i) => [names[i]!, value]),
      );
    },
  )!;
  return {
    law,
    deviation,
    intervals: {
      floor: found["floor"]!,
      exponents: law.terms.map((_, i) => found[`exponent ${i}`]!),
    },
  };
}

export function predictLoss({ floor, terms }: ScalingLaw, sizes: readonly number[]): number {
  return terms.reduce((sum, { factor, exponent }, i) => sum + factor * sizes[i]! ** -exponent, floor);
}

/** The size at which a law of one term reaches a loss; undefined at or below its floor. */
export function findSizeOfLoss({ floor, terms: [term] }: ScalingLaw, loss: number): number | undefined {
  if (loss <= floor || term!.factor === 0) return undefined;
  return (term!.factor / (loss - floor)) ** (1 / term!.exponent);
}

const countCoefficients = (terms: number): number => 1 + 2 * terms;

/** For given exponents all else is linear, so the search is over the exponents alone, near `start` if it is given. */
function findLaw(points: readonly ScalingPoint[], terms: number, start?: readonly number[]): ScalingLaw {
  const count = starts[terms as 1 | 2];
  const ratio = start === undefined ? (most / least) ** (1 / (count - 1)) : nearby;
  let exponents = start ?? findStart(points, terms, count);
  for (let round = 0; round < rounds[terms as 1 | 2]; round++)
    exponents = exponents.map((exponent, k) =>
      minimize(
        (each) => solve(points, exponents.with(k, each)).cost,
        Math.max(least, exponent / ratio),
        Math.min(most, exponent * ratio),
      ),
    );
  const { coefficients } = solve(points, exponents);
  return {
    floor: coefficients[0]!,
    terms: exponents.map((exponent, k) => ({ exponent, factor: coefficients[k + 1]! })),
  };
}

/** The best exponents of a grid. */
function findStart(points: readonly ScalingPoint[], terms: number, count: number): readonly number[] {
  const grid = Array.from({ length: count }, (_, i) => least * (most / least) ** (i / (count - 1)));
  const candidates = terms === 1 ? grid.map((a) => [a]) : grid.flatMap((a) => grid.map((b) => [a, b]));
  const [best] = candidates
    .map((exponents) => ({ exponents, cost: solve(points, exponents).cost }))
    .sort((x, y) => x.cost - y.cost);
  return best!.exponents;
}

interface Solution {
  /** The floor, then the factor of each term. */
  readonly coefficients: readonly number[];
  readonly cost: number;
}

/** Floor and factors, none negative, by iteratively reweighted least squares of relative residuals. */
function solve(points: readonly ScalingPoint[], exponents: readonly number[]): Solution {
  // Divided by the largest, so that the equations of large sizes are as exact as those of small ones.
  const scales = exponents.map((exponent, k) =>
    Math.max(...points.map(({ sizes }) => sizes[k]! ** -exponent)),
  );
  const rows = points.map(({ sizes, loss }) =>
    [1, ...exponents.map((exponent, k) => sizes[k]! ** -exponent / scales[k]!)].map((each) => each / loss),
  );
  let weights = points.map(() => 1);
  let coefficients: readonly number[] = [];
  let residuals: readonly number[] = [];
  for (let i = 0; i < reweightings; i++) {
    coefficients = solveNonNegative(rows, weights);
    residuals = rows.map((row) => 1 - dot(row, coefficients));
    weights = residuals.map((r) => (Math.abs(r) <= huber ? 1 : huber / Math.abs(r)));
  }
  const cost = residuals.reduce((sum, r) => {
    const size = Math.abs(r);
    return sum + (size <= huber ? (size * size) / 2 : huber * (size - huber / 2));
  }, 0);
  return { coefficients: coefficients.map((each, k) => (k === 0 ? each : each / scales[k - 1]!)), cost };
}

/** The best of the solutions with some coefficients at zero: with three at most, all can be tried. */
function solveNonNegative(rows: readonly (readonly number[])[], weights: readonly number[]): number[] {
  const size = rows[0]!.length;
  // Where the solution without bounds has no negative coefficient, it is the best.
  const free = solveNormal(rows, weights);
  if (free?.every((value) => value >= 0) === true) return free;
  let best = { coefficients: new Array<number>(size).fill(0), cost: Infinity };
  for (let set = 1; set < 2 ** size; set++) {
    const columns = Array.from({ length: size }, (_, k) => k).filter((k) => (set >> k) & 1);
    const solved = solveNormal(
      rows.map((row) => columns.map((k) => row[k]!)),
      weights,
    );
    if (solved === undefined || solved.some((value) => value < 0)) continue;
    const coefficients = new Array<number>(size).fill(0);
    columns.forEach((k, i) => (coefficients[k] = solved[i]!));
    const cost = rows.reduce((sum, row, i) => sum + weights[i]! * (1 - dot(row, coefficients)) ** 2, 0);
    if (cost < best.cost) best = { coefficients, cost };
  }
  return best.coefficients;
}

/** Weighted least squares of rows · x = 1; undefined where columns depend on one another. */
function solveNormal(rows: readonly (readonly number[])[], weights: readonly number[]): number[] | undefined {
  const size = rows[0]!.length;
  const matrix = Array.from({ length: size }, (_, a) => [
    ...Array.from({ length: size }, (__, b) =>
      rows.reduce((sum, row, i) => sum + weights[i]! * row[a]! * row[b]!, 0),
    ),
    rows.reduce((sum, row, i) => sum + weights[i]! * row[a]!, 0),
  ]);
  for (let column = 0; column < size; column++) {
    const pivot = matrix[column]![column]!;
    if (!(Math.abs(pivot) > 1e-14 * Math.abs(matrix[0]![0]! || 1))) return undefined;
    for (let row = 0; row < size; row++) {
      if (row === column) continue;
      const factor = matrix[row]![column]! / pivot;
      for (let k = column; k <= size; k++) matrix[row]![k]! -= factor * matrix[column]![k]!;
    }
  }
  return matrix.map((row, k) => row[size]! / row[k]!);
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, each, k) => sum + each * b[k]!, 0);

/** Golden-section search for the minimum between two positive numbers, on their logarithms. */
function minimize(cost: (value: number) => number, from: number, to: number): number {
  const golden = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [Math.log(from), Math.log(to)];
  let [x, y] = [b - golden * (b - a), a + golden * (b - a)];
  let [costX, costY] = [cost(Math.exp(x)), cost(Math.exp(y))];
  for (let i = 0; i < 25; i++)
    if (costX < costY) {
      [b, y, costY] = [y, x, costX];
      x = b - golden * (b - a);
      costX = cost(Math.exp(x));
    } else {
      [a, x, costX] = [x, y, costY];
      y = a + golden * (b - a);
      costY = cost(Math.exp(y));
    }
  return Math.exp((a + b) / 2);
}

/** Where the law may not hold: sizes at which the loss rose, or fell by less than runs of one size differ. */
export interface Plateau {
  readonly from: number;
  readonly to: number;
  /** The loss at `to` minus that at `from`; positive where it rose. */
  readonly change: number;
}

/**
 * Neighboring sizes between which the mean loss did not fall by more than twice the standard error of its difference. The
 * error is that of the runs of each size, or `deviation` · loss where a size has one run.
 */
export function findPlateaus(
  points: readonly { readonly size: number; readonly loss: number }[],
  deviation: number,
): Plateau[] {
  const sizes = [...new Set(points.map(({ size }) => size))].sort((a, b) => a - b);
  const means = sizes.map((size) => {
    const group = points.filter((point) => point.size === size);
    const mean = group.reduce((sum, { loss }) => sum + loss, 0) / group.length;
    const spread =
      group.reduce((sum, { loss }) => sum + (loss - mean) ** 2, 0) / Math.max(1, group.length - 1);
    const variance = group.length > 1 ? spread : (deviation * mean) ** 2;
    return { size, mean, error: variance / group.length };
  });
  return means.slice(1).flatMap(({ size, mean, error }, i) => {
    const before = means[i]!;
    const change = mean - before.mean;
    return -change > 2 * Math.sqrt(error + before.error) ? [] : [{ from: before.size, to: size, change }];
  });
}
