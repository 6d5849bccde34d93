/** Triangular factors of large matrices, made of products: a matrix is halved until its blocks are small enough for loops. */
import { cholesky, invertLower } from "./linearAlgebra";
import type { Algebra } from "./products";

/** Blocks up to this size are factored in loops. */
const smallest = 128;

export interface TriangularFactor {
  /** Lower triangular L [n, n] with A = L·Lᵀ. */
  readonly lower: Float64Array;
  /** L⁻¹ [n, n], lower triangular too. */
  readonly inverse: Float64Array;
}

/** Factors a symmetric A [n, n], of which it reads the lower triangle; undefined if A is not positive definite. */
export async function factorize(
  algebra: Algebra,
  a: Float64Array,
  n: number,
): Promise<TriangularFactor | undefined> {
  if (n <= smallest) {
    const lower = cholesky(a, n);
    return lower && { lower, inverse: invertLower(lower, n) };
  }
  const p = Math.ceil(n / 2);
  const q = n - p;
  const first = await factorize(algebra, copyBlock(a, n, [0, 0], [p, p]), p);
  if (first === undefined) return undefined;
  // A₂₁ = L₂₁·L₁₁ᵀ and A₂₂ = L₂₁·L₂₁ᵀ + L₂₂·L₂₂ᵀ.
  const side = await algebra.multiply(copyBlock(a, n, [p, 0], [q, p]), first.inverse, [q, p, p], {
    transposeB: true,
  });
  const rest = copyBlock(a, n, [p, p], [q, q]);
  const square = await algebra.multiply(side, side, [q, p, q], { transposeB: true });
  for (let i = 0; i < rest.length; i++) rest[i]! -= square[i]!;
  const second = await factorize(algebra, rest, q);
  if (second === undefined) return undefined;
  // The block below the diagonal of L⁻¹ is −L₂₂⁻¹·L₂₁·L₁₁⁻¹.
  const inner = await algebra.multiply(side, first.inverse, [q, p, p]);
  const below = await algebra.multiply(second.inverse, inner, [q, q, p]);
  for (let i = 0; i < below.length; i++) below[i] = -below[i]!;
  return {
    lower: joinBlocks(first.lower, side, second.lower, p, q),
    inverse: joinBlocks(first.inverse, below, second.inverse, p, q),
  };
}

/** Copies a block of a matrix with `columns` columns. */
export function copyBlock(
  a: Float64Array,
  columns: number,
  [row, column]: readonly [number, number],
  [height, width]: readonly [number, number],
): Float64Array {
  const out = new Float64Array(height * width);
  // Loops take a fraction of the time that views of rows do.
  for (let i = 0, to = 0; i < height; i++)
    for (let from = (row + i) * columns + column, end = from + width; from < end; from++)
      out[to++] = a[from]!;
  return out;
}

/** Returns [[A, 0], [B, C]] for A [p, p], B [q, p] and C [q, q]. */
function joinBlocks(a: Float64Array, b: Float64Array, c: Float64Array, p: number, q: number): Float64Array {
  const n = p + q;
  const out = new Float64Array(n * n);
  for (let i = 0, from = 0; i < p; i++) for (let j = 0; j < p; j++) out[i * n + j] = a[from++]!;
  for (let i = 0, fromB = 0, fromC = 0; i < q; i++) {
    const row = (p + i) * n;
    for (let j = 0; j < p; j++) out[row + j] = b[fromB++]!;
    for (let j = 0; j < q; j++) out[row + p + j] = c[fromC++]!;
  }
  return out;
}
