/** How the product of a grouped block is laid out in memory, y = G(x; A) + G(Π(x); B). What a block is, the representation `grouped` says. */
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

/** [rows, g·n] → [g, rows, n]: the channels in their order, and those that are equal modulo g together. */
function straight(x: Value, { rows, groups, n }: BlockSizes): Value {
  return transpose(reshape(x, { shape: [rows, groups, n] }), { perm: groupsFirst });
}
function interleaved(x: Value, { rows, groups, n }: BlockSizes): Value {
  return transpose(reshape(x, { shape: [rows, n, groups] }), { perm: [2, 0, 1] });
}
/** [g, rows, o] → [rows, g·o] */
function flat(y: Value, { rows, groups, o }: BlockSizes): Value {
  return reshape(transpose(y, { perm: groupsFirst }), { shape: [rows, groups * o] });
}

/** One product a branch, batched over the groups. */
export const batched: Layout = (x, a, b, sizes) =>
  flat(add(matmul(straight(x, sizes), a), matmul(interleaved(x, sizes), b)), sizes);

/** Both branches and their sum in one batched product: inputs side by side, weights one above the other. */
export const stacked: Layout = (x, a, b, sizes) => {
  const inputs = concat(straight(x, sizes), interleaved(x, sizes), { axis: 2 }); // [g, rows, 2n]
  return flat(matmul(inputs, concat(a, b, { axis: 1 })), sizes);
};

/**
 * The layout that is fastest for a size, as `lathe bench --grouped` measures it on processors (figures in
 * docs/benchmarks.md): stacking saves the pass that adds the branches, which pays where activations outweigh the weights
 * that are copied for it. Of graphics cards nothing else has been measured.
 */
export const groupedProduct: Layout = (x, a, b, sizes) =>
  (sizes.rows >= manyRows && sizes.n >= wideGroup ? stacked : batched)(x, a, b, sizes);
const manyRows = 1024;
const wideGroup = 128;
