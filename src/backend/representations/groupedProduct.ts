/** Memory layouts for the product of a grouped block, y = G(x; A) + G(Π(x); B). See the representation `grouped`. */
import type { Value } from "../graph/op";
import { add } from "../graph/ops/elementwise";
import { matmul } from "../graph/ops/matmul";
import { concat, reshape, transpose } from "../graph/ops/movement";

/** Sizes of a block of g groups: x [rows, g·n] → y [rows, g·o]. */
export interface BlockSizes {
  readonly rows: number;
  readonly groups: number;
  readonly n: number;
  readonly o: number;
}

/** `a` and `b` are [g, n, o]. */
export type Layout = (x: Value, a: Value, b: Value, sizes: BlockSizes) => Value;

const groupsFirst = [1, 0, 2] as const;

/** [rows, g·n] → [g, rows, n]. `groupInOrder` keeps the channels in order; `groupInterleaved` groups channels that are equal modulo g. */
function groupInOrder(x: Value, { rows, groups, n }: BlockSizes): Value {
  return transpose(reshape(x, { shape: [rows, groups, n] }), { perm: groupsFirst });
}
function groupInterleaved(x: Value, { rows, groups, n }: BlockSizes): Value {
  return transpose(reshape(x, { shape: [rows, n, groups] }), { perm: [2, 0, 1] });
}
/** [g, rows, o] → [rows, g·o] */
function flatten(y: Value, { rows, groups, o }: BlockSizes): Value {
  return reshape(transpose(y, { perm: groupsFirst }), { shape: [rows, groups * o] });
}

/** One product per branch, batched over the groups. */
export const multiplyBatched: Layout = (x, a, b, sizes) =>
  flatten(add(matmul(groupInOrder(x, sizes), a), matmul(groupInterleaved(x, sizes), b)), sizes);

/** Both branches and their sum in one batched product, with concatenated inputs and weights. */
export const multiplyStacked: Layout = (x, a, b, sizes) => {
  const inputs = concat(groupInOrder(x, sizes), groupInterleaved(x, sizes), { axis: 2 }); // [g, rows, 2n]
  return flatten(matmul(inputs, concat(a, b, { axis: 1 })), sizes);
};

/**
 * Chooses the fastest layout for a size, as measured on CPUs by `lathe bench --grouped` (docs/benchmarks.md). Stacking
 * saves the pass that adds the branches, which pays off if activations are larger than the weights that it copies. It has
 * not been measured separately on GPUs.
 */
export const multiplyGrouped: Layout = (x, a, b, sizes) =>
  (sizes.rows >= manyRows && sizes.n >= wideGroup ? multiplyStacked : multiplyBatched)(x, a, b, sizes);
const manyRows = 1024;
const wideGroup = 128;
