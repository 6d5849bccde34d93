/** How alike two sets of representations of the same items are, from their Gram matrices [items, items], whatever their widths. */

/** What the similarities of a set of representations with others need, of one Gram matrix K = X·Xᵀ. */
export interface Kernel {
  readonly items: number;
  /** K without its diagonal, row by row. */
  readonly values: Float64Array;
  /** Sums of its rows. */
  readonly sums: Float64Array;
  /** The diagonal, for distances. */
  readonly diagonal: Float64Array;
}

export function createKernel(gram: ArrayLike<number>, items: number): Kernel {
  const values = Float64Array.from(gram);
  const diagonal = new Float64Array(items);
  const sums = new Float64Array(items);
  for (let i = 0; i < items; i++) {
    diagonal[i] = values[i * items + i]!;
    values[i * items + i] = 0;
    for (let j = 0; j < items; j++) sums[i]! += values[i * items + j]!;
  }
  return { items, values, sums, diagonal };
}

/**
 * The unbiased estimate of the Hilbert-Schmidt independence criterion (Song et al. 2012, equation 5), which is averaged over
 * batches (Nguyen, Raghu and Kornblith 2021, arXiv 2010.15327, equation 3). Takes at least four items.
 */
export function estimateDependence(a: Kernel, b: Kernel): number {
  const n = a.items;
  const total = (values: Float64Array) => values.reduce((sum, each) => sum + each, 0);
  const common = dot(a.values, b.values);
  const means = (total(a.sums) * total(b.sums)) / ((n - 1) * (n - 2));
  const rows = (2 / (n - 2)) * dot(a.sums, b.sums);
  return (common + means - rows) / (n * (n - 3));
}

/** Centered kernel alignment: 1 for representations that differ by rotation and scale alone, 0 for independent ones. */
export function computeAlignment(both: number, own: number, other: number): number {
  return own > 0 && other > 0 ? both / Math.sqrt(own * other) : 0;
}

/** The share of the `count` nearest other items of each item, by Euclidean distance, that both sets agree on. */
export function compareNeighbors(a: Kernel, b: Kernel, count: number): number {
  let common = 0;
  for (let i = 0; i < a.items; i++) {
    const own = new Set(findNearest(a, i, count));
    for (const j of findNearest(b, i, count)) if (own.has(j)) common++;
  }
  return common / (a.items * count);
}

function findNearest({ items, values, diagonal }: Kernel, item: number, count: number): number[] {
  const others = Array.from({ length: items }, (_, j) => j).filter((j) => j !== item);
  const distance = (j: number) => diagonal[j]! - 2 * values[item * items + j]!;
  return others.sort((j, k) => distance(j) - distance(k) || j - k).slice(0, count);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
