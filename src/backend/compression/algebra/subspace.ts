/**
 * The leading eigenvectors of a large positive semidefinite S, by subspace iteration with a Chebyshev filter (Zhou, Saad,
 * Tiago and Chelikowsky 2006). Almost all of its work is products. If the leading eigenvalues
 * differ much, the filter is a polynomial of (S + b)⁻¹, so that the largest do not drown the others. The iteration ends when a bound proves how much of the
 * sum of the leading eigenvalues is missing.
 */
import { computeEigenvalues, decomposeSymmetric } from "./eigen";
import type { Algebra } from "./products";
import { factorize } from "./triangular";

export interface LeadingSpace {
  /** [rank], in descending order. */
  readonly values: Float64Array;
  /** [rank, n]; row i is the approximate eigenvector of value i. */
  readonly vectors: Float64Array;
  /** √(Σ of all other values) is at most 1 + this times its smallest possible value. */
  readonly excess: number;
}

/** The iteration ends when this excess is proven; the true one is several times smaller. */
const allowedExcess = 2e-3;
const maxRounds = 12;

/** A remainder of less than this share of the trace is rounding error. */
const negligible = 1e-13;

/** `trace` is that of `s` [n, n]; `rank` is less than n. Undefined if nothing is proven after many rounds. */
export async function findLeadingSpace(
  algebra: Algebra,
  s: Float64Array,
  n: number,
  rank: number,
  trace: number,
): Promise<LeadingSpace | undefined> {
  // More columns than vectors: convergence depends on the gap between the last vector and the first outside all columns.
  const columns = Math.min(n, rank + Math.max(16, Math.ceil(rank / 8)));
  let basis = await drawBasis(algebra, s, n, columns, trace);
  let projected = await project(algebra, s, basis, n, columns);
  const operator = await chooseOperator(algebra, s, n, projected.values);
  let excess: number;
  for (let round = 0; ; round++) {
    const { values } = projected;
    if (computeRemainder(values, rank, trace) <= negligible * trace) excess = 0;
    // Random columns never suffice, so their excess is not computed.
    else if (round === 0) excess = Infinity;
    else excess = await boundExcess(algebra, s, basis, projected, { n, columns, rank, trace });
    if (excess <= allowedExcess) break;
    if (round === maxRounds) return undefined;
    basis = await filter(algebra, operator, basis, { n, columns, cut: values.at(-1)!, top: values[0]! });
    projected = await project(algebra, s, basis, n, columns);
  }
  const { values, vectors } = decomposeSymmetric(projected.matrix, columns);
  return {
    values: values.slice(0, rank),
    vectors: await algebra.multiply(vectors.subarray(0, rank * columns), basis, [rank, columns, n], {
      transposeB: true,
    }),
    excess,
  };
}

/** Orthonormal columns [n, columns] of S times random ones. */
async function drawBasis(
  algebra: Algebra,
  s: Float64Array,
  n: number,
  columns: number,
  trace: number,
): Promise<Float64Array> {
  const random = drawUniform(n * columns);
  const image = await algebra.multiply(s, random, [n, n, columns]);
  // If S has fewer eigenvalues than there are columns, the random ones stay.
  for (let i = 0; i < image.length; i++) image[i] = image[i]! / trace + 1e-8 * random[i]!;
  return orthonormalize(algebra, image, n, columns);
}

/** Numbers between −1 and 1, always the same ones (xorshift, Marsaglia 2003). */
function drawUniform(count: number): Float64Array {
  const out = new Float64Array(count);
  let state = 0x9e3779b9;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = state / 2 ** 31;
  }
  return out;
}

interface Projection {
  /** S·Q [n, columns]. */
  readonly image: Float64Array;
  /** Qᵀ·S·Q [columns, columns]. */
  readonly matrix: Float64Array;
  /** Its eigenvalues in descending order. */
  readonly values: Float64Array;
}

async function project(
  algebra: Algebra,
  s: Float64Array,
  basis: Float64Array,
  n: number,
  columns: number,
): Promise<Projection> {
  const image = await algebra.multiply(s, basis, [n, n, columns]);
  const matrix = await algebra.multiply(basis, image, [columns, n, columns], { transposeA: true });
  return { image, matrix, values: computeEigenvalues(matrix, columns).map((each) => Math.max(0, each)) };
}

function computeRemainder(values: Float64Array, rank: number, trace: number): number {
  let rest = trace;
  for (let i = 0; i < rank; i++) rest -= values[i]!;
  return Math.max(0, rest);
}

interface Operator {
  /** S, or (S + b)⁻¹. */
  readonly matrix: Float64Array;
  /** b; undefined for S itself. */
  readonly shift: number | undefined;
}

/** With a larger ratio of the first to the last eigenvalue, a polynomial of S that amplifies the last one is too steep. */
const maxRatio = 8;

async function chooseOperator(
  algebra: Algebra,
  s: Float64Array,
  n: number,
  values: Float64Array,
): Promise<Operator> {
  const [top, cut] = [values[0]!, values.at(-1)!];
  if (top <= maxRatio * cut) return { matrix: s, shift: undefined };
  const shift = Math.max(2 * cut, 1e-12 * top);
  const shifted = s.slice();
  for (let i = 0; i < n; i++) shifted[i * n + i]! += shift;
  const factor = await factorize(algebra, shifted, n);
  if (factor === undefined) throw new Error("A Gram matrix is not positive definite although it is shifted.");
  const matrix = await algebra.multiply(factor.inverse, factor.inverse, [n, n, n], { transposeA: true });
  return { matrix, shift };
}

interface Filter {
  readonly n: number;
  readonly columns: number;
  /** Eigenvalues of S below this are damped. */
  readonly cut: number;
  /** The largest eigenvalue of S. */
  readonly top: number;
}

/** The filter amplifies the largest eigenvalue at most this much, so that the others stay above the rounding error. */
const maxGain = 1e10;
const maxDegree = 16;

/**
 * Applies the Chebyshev polynomial T_d of X = 2·F/β − 1, where F is S or S·(S + b)⁻¹ = 1 − b·(S + b)⁻¹ and β its eigenvalue
 * at the cut. It is at most 1 on eigenvalues below the cut, and grows exponentially with d above it.
 */
async function filter(
  algebra: Algebra,
  { matrix, shift }: Operator,
  basis: Float64Array,
  { n, columns, cut, top }: Filter,
): Promise<Float64Array> {
  const value = (each: number) => (shift === undefined ? each : each / (each + shift));
  const beta = Math.max(value(cut), 1e-3 * value(top));
  const end = Math.max(1, (2 * value(top)) / beta - 1);
  const degree = Math.max(1, Math.min(maxDegree, Math.floor(Math.log(2 * maxGain) / Math.acosh(end))));
  const [own, ofMatrix] = shift === undefined ? [-1, 2 / beta] : [2 / beta - 1, (-2 * shift) / beta];
  let [before, current] = [basis, basis];
  for (let k = 1; k <= degree; k++) {
    const next = await algebra.multiply(matrix, current, [n, n, columns]);
    // T₁ = X, and T_k = 2·X·T_{k−1} − T_{k−2}.
    const [factor, less] = k === 1 ? [1, 0] : [2, 1];
    for (let i = 0; i < next.length; i++)
      next[i] = factor * (own * current[i]! + ofMatrix * next[i]!) - less * before[i]!;
    [before, current] = [current, next];
  }
  return orthonormalize(algebra, current, n, columns);
}

/** Orthonormalizes columns [n, columns] by Cholesky factors of their Gram matrix; twice, because it squares their condition. */
async function orthonormalize(
  algebra: Algebra,
  matrix: Float64Array,
  n: number,
  columns: number,
): Promise<Float64Array> {
  let basis = matrix;
  for (let pass = 0; pass < 2; pass++) {
    const gram = await algebra.multiply(basis, basis, [columns, n, columns], { transposeA: true });
    let factor = await factorize(algebra, gram, columns);
    for (let damping = 1e-14; factor === undefined; damping *= 10) {
      if (!(damping < 1)) throw new Error("Columns to orthonormalize are not finite.");
      let mean = 0;
      for (let i = 0; i < columns; i++) mean += gram[i * columns + i]! / columns;
      for (let i = 0; i < columns; i++) gram[i * columns + i]! += damping * mean;
      factor = await factorize(algebra, gram, columns);
      // The columns are not yet orthonormal after a damped factor.
      pass = -1;
    }
    basis = await algebra.multiply(basis, factor.inverse, [n, columns, columns], { transposeB: true });
  }
  return basis;
}

interface Sizes {
  readonly n: number;
  readonly columns: number;
  readonly rank: number;
  readonly trace: number;
}

/**
 * Bounds how much the error exceeds the smallest one. With C = QᵀSQ, R = S·Q − Q·C and D = S on the complement of Q: for any t
 * and δ with D ≤ t − δ, the sum of the `rank` largest eigenvalues of S is at most rank·t + Σ max(0, λ(C + RᵀR/δ) − t). That
 * follows from Ky Fan's bound rank·t + tr(S − t)₊, as the coupling of Q and its complement is at most RᵀR/δ on Q and δ on the
 * complement. D ≤ t − δ is proven by a Cholesky factor of t − δ − (1 − QQᵀ)·S·(1 − QQᵀ).
 */
async function boundExcess(
  algebra: Algebra,
  s: Float64Array,
  basis: Float64Array,
  { image, matrix, values }: Projection,
  { n, columns, rank, trace }: Sizes,
): Promise<number> {
  const error = computeRemainder(values, rank, trace);
  const [last, cut] = [values[rank - 1]!, values[columns - 1]!];
  // A small distance above the last value, which costs `rank` times itself, also bounds spectra without a gap.
  const above = (0.25 * allowedExcess * error) / rank;
  const level = last + above;
  const gap = above / 2 + (last - cut) / 4;

  const inside = await algebra.multiply(basis, matrix, [n, columns, columns]);
  const residual = image.slice();
  for (let i = 0; i < residual.length; i++) residual[i]! -= inside[i]!;
  const coupling = await algebra.multiply(residual, residual, [columns, n, columns], { transposeA: true });
  for (let i = 0; i < coupling.length; i++) coupling[i] = matrix[i]! + coupling[i]! / gap;
  let largest = rank * level;
  for (const each of computeEigenvalues(coupling, columns)) largest += Math.max(0, each - level);
  const smallest = trace - largest;
  const excess = smallest > 0 ? Math.sqrt(error / smallest) - 1 : Infinity;
  if (excess > allowedExcess) return excess;

  // (1 − QQᵀ)·S·(1 − QQᵀ) = S − Q·Rᵀ − R·Qᵀ − Q·C·Qᵀ = S − Q·(R + Q·C/2)ᵀ − (R + Q·C/2)·Qᵀ.
  for (let i = 0; i < residual.length; i++) residual[i]! += inside[i]! / 2;
  const product = await algebra.multiply(basis, residual, [n, columns, n], { transposeB: true });
  const complement = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++)
      complement[i * n + j] = product[i * n + j]! + product[j * n + i]! - s[i * n + j]!;
  for (let i = 0; i < n; i++) complement[i * n + i]! += level - gap;
  return (await factorize(algebra, complement, n)) === undefined
    ? Infinity
    : Math.max(excess, Number.EPSILON);
}
