/** The best approximation of a matrix by one of lower rank, from the leading eigenvectors of A·Aᵀ or Aᵀ·A, whichever is smaller. */
import { WorkbenchError } from "../../../protocol/errors";
import { computeEigenvalues, decomposeSymmetric } from "./eigen";
import type { Algebra } from "./products";
import { findLeadingSpace } from "./subspace";

export interface LowRank {
  /** U·√Σ [m, rank]. */
  readonly a: Float64Array;
  /** √Σ·Vᵀ [rank, n]. */
  readonly b: Float64Array;
  /** The singular values [rank], in descending order. */
  readonly values: Float64Array;
  /** ‖A‖² − ‖A·B‖², the square of the Frobenius error. */
  readonly error: number;
  /** The Frobenius error is at most 1 + this times the smallest possible; 0 if all of the spectrum was computed. */
  readonly excess: number;
}

/** Matrices up to this size are decomposed as a whole, and so are those of which most of the spectrum is needed. */
const wholeSize = 128;
const wholeShare = 0.8;

/**
 * Approximates A [m, n] by A·B of this rank. Singular values are accurate to 1e-8 of the largest one; of a large matrix, the
 * space of the leading ones is found by iteration, until its error is proven to exceed the smallest one by at most
 * 0.2 %.
 */
export async function approximate(
  algebra: Algebra,
  matrix: ArrayLike<number>,
  [m, n]: readonly [number, number],
  rank: number,
): Promise<LowRank> {
  const a = matrix instanceof Float64Array ? matrix : Float64Array.from(matrix);
  const { gram, size, energy } = await computeGram(algebra, a, [m, n]);
  const isWhole = size <= wholeSize || rank > wholeShare * size || energy === 0;
  const space = isWhole ? undefined : await findLeadingSpace(algebra, gram, size, rank, energy);
  const { values, vectors, excess } = space ?? { ...decomposeSymmetric(gram, size), excess: 0 };
  const leading = vectors.subarray(0, rank * size);
  const sizes = values.subarray(0, rank).map(Math.sqrt);
  const error = Math.max(
    0,
    values.subarray(0, rank).reduce((rest, each) => rest - each, energy),
  );
  // σ·vᵀ = uᵀ·A, so that √σ·vᵀ = uᵀ·A / √σ; likewise √σ·u = A·v / √σ. Directions with singular value 0 are zero in both.
  const roots = sizes.map(Math.sqrt);
  const inverses = roots.map((each) => (each === 0 ? 0 : 1 / each));
  if (m <= n) {
    const right = await algebra.multiply(leading, a, [rank, m, n]);
    for (let k = 0, at = 0; k < rank; k++) for (let j = 0; j < n; j++) right[at++]! *= inverses[k]!;
    const left = new Float64Array(m * rank);
    for (let k = 0; k < rank; k++)
      for (let i = 0; i < m; i++) left[i * rank + k] = leading[k * m + i]! * roots[k]!;
    return { a: left, b: right, values: sizes, error, excess };
  }
  const left = await algebra.multiply(a, leading, [m, n, rank], { transposeB: true });
  for (let i = 0, at = 0; i < m; i++) for (let k = 0; k < rank; k++) left[at++]! *= inverses[k]!;
  const right = leading.slice();
  for (let k = 0, at = 0; k < rank; k++) for (let j = 0; j < n; j++) right[at++]! *= roots[k]!;
  return { a: left, b: right, values: sizes, error, excess };
}

/** Returns all singular values of A [m, n], in descending order. */
export async function computeSingularValues(
  algebra: Algebra,
  matrix: ArrayLike<number>,
  sizes: readonly [number, number],
): Promise<Float64Array> {
  const { gram, size } = await computeGram(algebra, Float64Array.from(matrix), sizes);
  return computeEigenvalues(gram, size).map((each) => Math.sqrt(Math.max(0, each)));
}

/** Returns A·Aᵀ or Aᵀ·A, whichever is smaller, its size, and its trace, which is ‖A‖². */
async function computeGram(algebra: Algebra, a: Float64Array, [m, n]: readonly [number, number]) {
  const gram = await algebra.multiply(a, a, m <= n ? [m, n, m] : [n, m, n], {
    transposeA: m > n,
    transposeB: m <= n,
  });
  const size = Math.min(m, n);
  let energy = 0;
  for (let i = 0; i < size; i++) energy += gram[i * size + i]!;
  if (Number.isFinite(energy)) return { gram, size, energy };
  throw new WorkbenchError("invalid-input", "A matrix to decompose has values that are not finite.");
}

/** What a log reports of an approximation whose space was found by iteration; undefined for any other. */
export function describeExcess({ excess }: LowRank, name: string): string | undefined {
  if (excess === 0) return undefined;
  return `${name}: the error of its factors is at most ${(100 * excess).toPrecision(2)} % above the smallest possible at this rank.`;
}
