/**
 * Eigenvalues and eigenvectors of symmetric matrices: Householder's reduction to a tridiagonal matrix and the implicit QL
 * algorithm (Bowdler, Martin, Reinsch and Wilkinson 1968; tred2 and tql2 of EISPACK). All loops run along rows.
 */

export interface Eigen {
  /** In descending order. Negative values, which come from rounding, are set to zero. */
  readonly values: Float64Array;
  /** [n, n]; row i is the eigenvector of value i. */
  readonly vectors: Float64Array;
}

/** Decomposes a symmetric positive semidefinite matrix [n, n]. */
export function decomposeSymmetric(a: ArrayLike<number>, n: number): Eigen {
  const rows = Float64Array.from(a);
  const { diagonal, side } = reduceToTridiagonal(rows, n);
  accumulateReflections(rows, n, diagonal);
  diagonalize(diagonal, side, rows);
  const order = Array.from({ length: n }, (_, i) => i).sort((x, y) => diagonal[y]! - diagonal[x]!);
  const vectors = new Float64Array(n * n);
  order.forEach((from, to) => vectors.set(rows.subarray(from * n, (from + 1) * n), to * n));
  return { values: Float64Array.from(order, (from) => Math.max(0, diagonal[from]!)), vectors };
}

/** Returns the eigenvalues of a symmetric matrix [n, n] in descending order, in a quarter of the time. */
export function computeEigenvalues(a: ArrayLike<number>, n: number): Float64Array {
  const rows = Float64Array.from(a);
  const { diagonal, side } = reduceToTridiagonal(rows, n);
  for (let i = 0; i < n; i++) diagonal[i] = rows[i * n + i]!;
  diagonalize(diagonal, side, undefined);
  return diagonal.sort().reverse();
}

/**
 * Reduces the matrix in place, from its last row to its first. Afterwards, row i holds the vector u of reflection i in its
 * first i elements and the tridiagonal matrix's diagonal element at i; `diagonal[i]` is ‖u‖² / 2, or 0 if there is no
 * reflection, and `side[i]` the element at (i, i − 1).
 */
function reduceToTridiagonal(rows: Float64Array, n: number) {
  const diagonal = new Float64Array(n);
  const side = new Float64Array(n);
  const image = new Float64Array(n);
  for (let i = n - 1; i > 0; i--) {
    const row = i * n;
    let scale = 0;
    for (let k = 0; k < i - 1; k++) scale += Math.abs(rows[row + k]!);
    if (scale === 0) {
      side[i] = rows[row + i - 1]!;
      continue;
    }
    scale += Math.abs(rows[row + i - 1]!);
    let square = 0;
    for (let k = 0; k < i; k++) square += (rows[row + k]! /= scale) ** 2;
    const last = rows[row + i - 1]!;
    const root = last > 0 ? -Math.sqrt(square) : Math.sqrt(square);
    side[i] = scale * root;
    rows[row + i - 1] = last - root;
    const half = square - last * root;
    diagonal[i] = half;
    // A·u from the lower triangle of the leading block: each element is read once and used twice.
    image.fill(0, 0, i);
    for (let j = 0; j < i; j++) {
      const at = j * n;
      const factor = rows[row + j]!;
      let sum = 0;
      for (let k = 0; k < j; k++) {
        const each = rows[at + k]!;
        sum += each * rows[row + k]!;
        image[k]! += each * factor;
      }
      image[j] = sum + rows[at + j]! * factor;
    }
    let projection = 0;
    for (let j = 0; j < i; j++) projection += (image[j]! /= half) * rows[row + j]!;
    const share = projection / (2 * half);
    for (let j = 0; j < i; j++) image[j]! -= share * rows[row + j]!;
    for (let j = 0; j < i; j++) {
      const at = j * n;
      const [f, g] = [rows[row + j]!, image[j]!];
      for (let k = 0; k <= j; k++) rows[at + k]! -= f * image[k]! + g * rows[row + k]!;
    }
  }
  return { diagonal, side };
}

/** Replaces the reflections by their product, transposed, and `diagonal` by the diagonal of the tridiagonal matrix. */
function accumulateReflections(rows: Float64Array, n: number, diagonal: Float64Array): void {
  const sums = new Float64Array(n);
  const vector = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const row = i * n;
    const half = diagonal[i]!;
    diagonal[i] = rows[row + i]!;
    vector.set(rows.subarray(row, row + i));
    if (half !== 0) {
      // Q ← (I − u·uᵀ / half)·Q for the leading block, which is stored transposed: each row is one column of Q.
      for (let j = 0; j < i; j++) {
        const at = j * n;
        let sum = 0;
        for (let k = 0; k < i; k++) sum += vector[k]! * rows[at + k]!;
        sums[j] = sum / half;
      }
      for (let j = 0; j < i; j++) {
        const at = j * n;
        const factor = sums[j]!;
        for (let k = 0; k < i; k++) rows[at + k]! -= factor * vector[k]!;
      }
    }
    for (let k = 0; k < i; k++) rows[row + k] = rows[k * n + i] = 0;
    rows[row + i] = 1;
  }
}

/** With more rotations than this on average, an eigenvalue does not converge, as with elements that are not finite. */
const maxSweeps = 60;

/** Diagonalizes a tridiagonal matrix in place; `rows`, if any, are rotated with it and become eigenvectors. */
function diagonalize(diagonal: Float64Array, side: Float64Array, rows: Float64Array | undefined): void {
  const n = diagonal.length;
  for (let i = 1; i < n; i++) side[i - 1] = side[i]!;
  side[n - 1] = 0;
  for (let l = 0; l < n; l++)
    for (let sweep = 0; ; sweep++) {
      let m = l;
      for (; m < n - 1; m++) {
        const size = Math.abs(diagonal[m]!) + Math.abs(diagonal[m + 1]!);
        if (Math.abs(side[m]!) <= Number.EPSILON * size) break;
      }
      if (m === l) break;
      if (sweep === maxSweeps) throw new Error("The eigenvalues do not converge: a matrix is not finite.");
      // Wilkinson's shift.
      let g = (diagonal[l + 1]! - diagonal[l]!) / (2 * side[l]!);
      let r = Math.hypot(g, 1);
      g = diagonal[m]! - diagonal[l]! + side[l]! / (g + (g < 0 ? -r : r));
      let [s, c, p] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * side[i]!;
        const b = c * side[i]!;
        r = Math.hypot(f, g);
        side[i + 1] = r;
        if (r === 0) {
          diagonal[i + 1]! -= p;
          side[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = diagonal[i + 1]! - p;
        r = (diagonal[i]! - g) * s + 2 * c * b;
        p = s * r;
        diagonal[i + 1] = g + p;
        g = c * r - b;
        if (rows !== undefined) rotate(rows, i * n, (i + 1) * n, n, c, s);
      }
      if (r === 0 && i >= l) continue;
      diagonal[l]! -= p;
      side[l] = g;
      side[m] = 0;
    }
}

/** Rotates two rows, which start at `first` and `second`. */
function rotate(rows: Float64Array, first: number, second: number, n: number, c: number, s: number): void {
  for (let k = 0; k < n; k++) {
    const [x, y] = [rows[first + k]!, rows[second + k]!];
    rows[second + k] = s * x + c * y;
    rows[first + k] = c * x - s * y;
  }
}
