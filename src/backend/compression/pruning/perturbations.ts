/**
 * Estimates what units are worth from the losses of models without some of them: masks in complementary pairs, and a ridge
 * regression of the loss on the masks (Bonsai, Dery et al. 2024, arXiv 2402.05406, section 3).
 */
import { cholesky } from "../algebra/linearAlgebra";

/**
 * Draws `count` masks over `units`, each without half of them, as pairs in which every unit is dropped once. An odd unit is in
 * either half by chance. True means dropped.
 */
export function drawMasks(
  units: number,
  count: number,
  random: () => number,
): readonly (readonly boolean[])[] {
  const masks: boolean[][] = [];
  while (masks.length < count) {
    const order = Array.from({ length: units }, (_, unit) => ({ unit, key: random() })).sort(
      (a, b) => a.key - b.key,
    );
    const half = units % 2 === 0 || random() < 0.5 ? Math.floor(units / 2) : Math.ceil(units / 2);
    const dropped = new Set(order.slice(0, half).map(({ unit }) => unit));
    const mask = Array.from({ length: units }, (_, unit) => dropped.has(unit));
    masks.push(
      mask,
      mask.map((each) => !each),
    );
  }
  return masks.slice(0, count);
}

/**
 * The effect of dropping each unit on the loss: the coefficients of a ridge regression of `losses` on `masks`, both centered.
 * `ridge` is relative to the number of masks. Solved in the space of masks, which are often fewer than the units.
 */
export function regressLosses(
  masks: readonly (readonly boolean[])[],
  losses: readonly number[],
  ridge: number,
): Float64Array {
  const count = masks.length;
  const units = masks[0]!.length;
  const shares = Float64Array.from({ length: units }, (_, unit) =>
    masks.reduce((sum, mask) => sum + (mask[unit] ? 1 / count : 0), 0),
  );
  const rows = masks.map((mask) => Float64Array.from(mask, (each, unit) => (each ? 1 : 0) - shares[unit]!));
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / count;
  const gram = new Float64Array(count * count);
  for (let i = 0; i < count; i++)
    for (let j = 0; j <= i; j++) {
      const value = dot(rows[i]!, rows[j]!) + (i === j ? ridge * count : 0);
      gram[i * count + j] = gram[j * count + i] = value;
    }
  const dual = solveWith(
    cholesky(gram, count)!,
    losses.map((loss) => loss - mean),
  );
  return Float64Array.from({ length: units }, (_, unit) =>
    rows.reduce((sum, row, i) => sum + row[unit]! * dual[i]!, 0),
  );
}

/** Solves L·Lᵀ·x = b for a lower triangular L [n, n]. */
function solveWith(l: Float64Array, b: readonly number[]): number[] {
  const n = b.length;
  const x = [...b];
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= l[i * n + k]! * x[k]!;
    x[i]! /= l[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= l[k * n + i]! * x[k]!;
    x[i]! /= l[i * n + i]!;
  }
  return x;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
