/**
 * Ways to compute a grouped block, y = G(x; A) + G(Π(x); B), that differ in the memory layout of activations and weights.
 * Models use the two of `multiplyGrouped`; the others are compared with them.
 */
import { multiplyBatched, type Layout, multiplyStacked } from "../representations/groupedProduct";
import { constant, defineOp, type Op, type Value } from "../graph/op";
import { add, mul } from "../graph/ops/elementwise";
import { matmul } from "../graph/ops/matmul";
import { concat, reshape, slice, transpose } from "../graph/ops/movement";

/** One product per group, on a slice of the columns. */
const multiplySlices: Layout = (x, a, b, sizes) => {
  const { rows, groups, n, o } = sizes;
  const permuted = reshape(transpose(reshape(x, { shape: [rows, n, groups] }), { perm: [0, 2, 1] }), {
    shape: [rows, groups * n],
  });
  const product = (from: Value, weight: Value, group: number) =>
    matmul(
      slice(from, { axis: 1, start: group * n, end: (group + 1) * n }),
      reshape(slice(weight, { axis: 0, start: group, end: group + 1 }), { shape: [n, o] }),
    );
  const parts = Array.from({ length: groups }, (_, group) =>
    add(product(x, a, group), product(permuted, b, group)),
  );
  return concat(...parts, { axis: 1 });
};

/** One product with the equivalent dense matrix, assembled from both weights. */
const multiplyAssembled: Layout = (x, a, b, { groups, n, o }) => {
  const eye = Float32Array.from({ length: groups * groups }, (_, i) => +(i % (groups + 1) === 0));
  const diagonal = (weight: Value) =>
    mul(reshape(weight, { shape: [groups, n, 1, o] }), constant(eye, [groups, 1, groups, 1]));
  const permuted = transpose(diagonal(b), { perm: [1, 0, 2, 3] }); // input b·g + a is input b of group a
  const shape = [groups * n, groups * o];
  return matmul(x, add(reshape(diagonal(a), { shape }), reshape(permuted, { shape })));
};

/** A grouped convolution with kernel size 1: channels × time, weights [g·o, n]. Its input gradient is the same operation. */
const groupedConvolution: Op<[Value, Value], { group: number }> = defineOp<[Value, Value], { group: number }>(
  {
    name: "groupedConvolution",
    onnx: (emit, [x, weight], { attrs, types }) => {
      const long = (numbers: readonly number[]) =>
        emit.constant(BigInt64Array.from(numbers, BigInt), [numbers.length]);
      const kernel = emit.node("Reshape", [weight!, long([...types[1].shape, 1])]);
      return emit.node("Conv", [x!, kernel], { group: attrs.group });
    },
    infer: ([x, weight]) => ({ dtype: x.dtype, shape: [1, weight.shape[0]!, x.shape[2]!] }),
    gradient: ({ inputs: [x, weight], grad: dy, attrs: { group } }) => {
      const [outputs, n] = weight.type.shape as [number, number];
      const [o, rows] = [outputs / group, x.type.shape[2]!];
      const permuted = transpose(reshape(weight, { shape: [group, o, n] }), { perm: [0, 2, 1] });
      const dx = groupedConvolution(dy, reshape(permuted, { shape: [group * n, o] }), { group });
      const dw = matmul(reshape(dy, { shape: [group, o, rows] }), reshape(x, { shape: [group, n, rows] }), {
        transposeB: true,
      });
      return [dx, reshape(dw, { shape: [outputs, n] })];
    },
    evaluate: ([x, weight], { group }, type) => {
      const [, outputs, rows] = type.shape as [number, number, number];
      const [n, o] = [weight.type.shape[1]!, outputs / group];
      const out = new Float64Array(outputs * rows);
      for (let channel = 0; channel < outputs; channel++)
        for (let i = 0; i < n; i++)
          for (let row = 0; row < rows; row++)
            out[channel * rows + row]! +=
              weight.data[channel * n + i]! * x.data[(Math.floor(channel / o) * n + i) * rows + row]!;
      return out;
    },
    samples: [
      {
        inputs: [
          [1, 4, 3],
          [6, 2],
        ],
        attrs: { group: 2 },
      },
    ],
  },
);

const convolve: Layout = (x, a, b, { rows, groups, n, o }) => {
  const channels = reshape(transpose(x, { perm: [1, 0] }), { shape: [1, groups * n, rows] });
  const kernel = (weight: Value) =>
    reshape(transpose(weight, { perm: [0, 2, 1] }), { shape: [groups * o, n] });
  const permuted = reshape(transpose(reshape(x, { shape: [rows, n, groups] }), { perm: [2, 1, 0] }), {
    shape: [1, groups * n, rows],
  });
  const y = add(
    groupedConvolution(channels, kernel(a), { group: groups }),
    groupedConvolution(permuted, kernel(b), { group: groups }),
  );
  return transpose(reshape(y, { shape: [groups * o, rows] }), { perm: [1, 0] });
};

export const layouts: Readonly<Record<string, Layout>> = {
  batched: multiplyBatched,
  stacked: multiplyStacked,
  sliced: multiplySlices,
  assembled: multiplyAssembled,
  convolved: convolve,
};
