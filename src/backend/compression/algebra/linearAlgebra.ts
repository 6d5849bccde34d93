/** Linear algebra of small matrices, in double precision over row-major arrays, in loops that run along rows. */

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
  return multiply(a, transpose(a, m, n), [m, n, m]);
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
