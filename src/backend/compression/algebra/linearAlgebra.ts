/**
 * Linear algebra for methods, in double precision over row-major arrays. Eigenvectors come from ml-matrix. Products and
 * triangular factors loop along rows, which is several times faster than ml-matrix's element access.
 */
import { EigenvalueDecomposition, Matrix } from "ml-matrix";

/** Returns C [m, n] = A·B for A [m, k] and B [k, n]. */
export function multiply(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  [m, k, n]: readonly [number, number, number],
): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let l = 0; l < k; l++) {
      const left = a[i * k + l]!;
      if (left === 0) continue;
      for (let j = 0, at = i * n, from = l * n; j < n; j++, at++, from++) c[at]! += left * b[from]!;
    }
  return c;
}

/** Returns Aᵀ [n, m] for A [m, n]. */
export function transpose(a: ArrayLike<number>, m: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  // By tiles, so that both arrays are read and written in whole cache lines.
  const tile = 32;
  for (let top = 0; top < m; top += tile)
    for (let first = 0; first < n; first += tile) {
      const [bottom, end] = [Math.min(m, top + tile), Math.min(n, first + tile)];
      for (let i = top; i < bottom; i++) for (let j = first; j < end; j++) out[j * m + i] = a[i * n + j]!;
    }
  return out;
}

/** Returns A·Aᵀ [m, m] for A [m, n]. */
export function computeRowGram(a: ArrayLike<number>, m: number, n: number): Float64Array {
  const out = new Float64Array(m * m);
  for (let i = 0; i < m; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let l = 0, x = i * n, y = j * n; l < n; l++, x++, y++) sum += a[x]! * a[y]!;
      out[i * m + j] = sum;
      out[j * m + i] = sum;
    }
  return out;
}

/** Returns the lower triangular L with A = L·Lᵀ, or undefined if A [n, n] is not positive definite. */
export function cholesky(a: ArrayLike<number>, n: number): Float64Array | undefined {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!;
      for (let k = 0, x = i * n, y = j * n; k < j; k++, x++, y++) sum -= l[x]! * l[y]!;
      if (i === j) {
        if (!(sum > 0)) return undefined;
        l[i * n + i] = Math.sqrt(sum);
      } else l[i * n + j] = sum / l[j * n + j]!;
    }
  return l;
}

/** Inverts a lower triangular matrix; the result is lower triangular too. */
export function invertLower(l: ArrayLike<number>, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const pivot = 1 / l[i * n + i]!;
    for (let k = 0; k < i; k++) {
      const factor = -l[i * n + k]! * pivot;
      if (factor === 0) continue;
      for (let j = 0; j <= k; j++) out[i * n + j]! += factor * out[k * n + j]!;
    }
    out[i * n + i] = pivot;
  }
  return out;
}

export interface Eigen {
  /** In descending order. Negative values, which come from rounding, are set to zero. */
  readonly values: Float64Array;
  /** [n, n]; row i is the eigenvector of value i. */
  readonly vectors: Float64Array;
}

/** Decomposes a symmetric positive semidefinite matrix. */
export function decomposeSymmetric(a: ArrayLike<number>, n: number): Eigen {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(
    Matrix.from1DArray(n, n, Array.from(a)),
    { assumeSymmetric: true },
  );
  const order = Array.from({ length: n }, (_, i) => i).sort(
    (x, y) => realEigenvalues[y]! - realEigenvalues[x]!,
  );
  const vectors = new Float64Array(n * n);
  order.forEach((from, to) => {
    for (let row = 0; row < n; row++) vectors[to * n + row] = eigenvectorMatrix.get(row, from);
  });
  return { values: Float64Array.from(order, (from) => Math.max(0, realEigenvalues[from]!)), vectors };
}

export interface Svd {
  /** [min(m, n)], in descending order. */
  readonly values: Float64Array;
  /** Returns the best approximation A·B [m, n] of this rank: A [m, rank] = U·√Σ and B [rank, n] = √Σ·Vᵀ. */
  factors(rank: number): { readonly a: Float64Array; readonly b: Float64Array };
}

/** Decomposes A [m, n] through the eigenvectors of the smaller of A·Aᵀ and Aᵀ·A. Accurate to 1e-8 of the largest singular value. */
export function computeSvd(a: ArrayLike<number>, m: number, n: number): Svd {
  if (m > n) {
    const transposedSvd = computeSvd(transpose(a, m, n), n, m);
    return {
      values: transposedSvd.values,
      factors: (rank) => {
        const { a: left, b: right } = transposedSvd.factors(rank);
        return { a: transpose(right, rank, m), b: transpose(left, n, rank) };
      },
    };
  }
  const { values, vectors } = decomposeSymmetric(computeRowGram(a, m, n), m);
  const sizes = values.map(Math.sqrt);
  return {
    values: sizes,
    factors: (rank) => {
      const left = new Float64Array(m * rank);
      const right = new Float64Array(rank * n);
      for (let k = 0; k < rank; k++) {
        const root = Math.sqrt(sizes[k]!);
        // A direction with singular value 0 is zero in both factors.
        if (root === 0) continue;
        for (let i = 0; i < m; i++) {
          const u = vectors[k * m + i]!;
          left[i * rank + k] = u * root;
          // σ·vᵀ = uᵀ·A, so that √σ·vᵀ = uᵀ·A / √σ.
          const factor = u / root;
          for (let j = 0, at = k * n, from = i * n; j < n; j++, at++, from++) right[at]! += factor * a[from]!;
        }
      }
      return { a: left, b: right };
    },
  };
}
