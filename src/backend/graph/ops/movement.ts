/** Operations that move elements without changing them. */
import { defineOp, type Op, type Shape, sizeOf, type Value } from "../op";

/** Strides of a row-major tensor, in elements. */
export function computeStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

export const reshape: Op<[Value], { shape: Shape }> = defineOp<[Value], { shape: Shape }>({
  name: "reshape",
  onnx: (emit, [x], { attrs, types: [type] }) =>
    type.shape.join() === attrs.shape.join() && type.shape.length === attrs.shape.length
      ? x!
      : emit.node("Reshape", [x!, emit.shape(attrs.shape)]),
  infer: ([x], { shape }) => {
    if (sizeOf(shape) !== sizeOf(x.shape))
      throw new Error(
        `reshape of [${x.shape.join(", ")}] to [${shape.join(", ")}] changes the number of elements.`,
      );
    return { dtype: x.dtype, shape };
  },
  gradient: ({ inputs: [x], grad: dy }) => [reshape(dy, { shape: x.type.shape })],
  evaluate: ([x]) => x.data,
  samples: [{ inputs: [[2, 3, 4]], attrs: { shape: [6, 4] } }],
});

export const transpose: Op<[Value], { perm: readonly number[] }> = defineOp<
  [Value],
  { perm: readonly number[] }
>({
  name: "transpose",
  onnx: "Transpose",
  infer: ([x], { perm }) => {
    if ([...perm].sort((a, b) => a - b).some((axis, i) => axis !== i) || perm.length !== x.shape.length)
      throw new Error(
        `transpose of [${x.shape.join(", ")}] by (${perm.join(", ")}), which is not a permutation of its axes.`,
      );
    return { dtype: x.dtype, shape: perm.map((axis) => x.shape[axis]!) };
  },
  // The inverse permutation undoes it.
  gradient: ({ grad: dy, attrs: { perm } }) => [
    transpose(dy, { perm: perm.map((_, axis) => perm.indexOf(axis)) }),
  ],
  evaluate: ([x], { perm }, type) => {
    const from = computeStrides(x.type.shape);
    const to = computeStrides(type.shape);
    return Float64Array.from({ length: x.data.length }, (_, i) => {
      let at = 0;
      for (let axis = 0; axis < perm.length; axis++)
        at += (Math.floor(i / to[axis]!) % type.shape[axis]!) * from[perm[axis]!]!;
      return x.data[at]!;
    });
  },
  samples: [
    { inputs: [[2, 3, 4]], attrs: { perm: [2, 0, 1] } },
    { inputs: [[2, 3, 4, 5]], attrs: { perm: [0, 2, 1, 3] } },
  ],
});

/** Elements `start` (inclusive) to `end` (exclusive) along one axis. */
export const slice: Op<[Value], { axis: number; start: number; end: number }> = defineOp<
  [Value],
  { axis: number; start: number; end: number }
>({
  name: "slice",
  onnx: (emit, [x], { attrs: { axis, start, end } }) => {
    const emitScalar = (number: number) => emit.constant(BigInt64Array.of(BigInt(number)), [1]);
    return emit.node("Slice", [x!, emitScalar(start), emitScalar(end), emitScalar(axis)]);
  },
  infer: ([x], { axis, start, end }) => {
    const size = x.shape[axis];
    if (size === undefined || start < 0 || end > size || start >= end)
      throw new Error(`slice ${start}..${end} along axis ${axis} of [${x.shape.join(", ")}].`);
    return { dtype: x.dtype, shape: x.shape.map((each, i) => (i === axis ? end - start : each)) };
  },
  gradient: ({ inputs: [x], grad: dy, attrs: { axis, start, end } }) => [
    pad(dy, { axis, before: start, after: x.type.shape[axis]! - end }),
  ],
  evaluate: ([x], { axis, start }, type) => {
    const inner = computeStrides(x.type.shape)[axis]!;
    const inputSize = type.shape[axis]! * inner;
    const whole = x.type.shape[axis]! * inner;
    return Float64Array.from(
      { length: sizeOf(type.shape) },
      (_, i) => x.data[Math.floor(i / inputSize) * whole + start * inner + (i % inputSize)]!,
    );
  },
  samples: [
    { inputs: [[2, 5, 3]], attrs: { axis: 1, start: 1, end: 4 } },
    { inputs: [[4]], attrs: { axis: 0, start: 0, end: 2 } },
  ],
});

/** Adds zeros before and after along one axis; the inverse of `slice`. */
export const pad: Op<[Value], { axis: number; before: number; after: number }> = defineOp<
  [Value],
  { axis: number; before: number; after: number }
>({
  name: "pad",
  onnx: (emit, [x], { attrs: { axis, before, after }, types: [type] }) => {
    if (before === 0 && after === 0) return x!;
    const rank = type.shape.length;
    const pads = new BigInt64Array(2 * rank);
    pads[axis] = BigInt(before);
    pads[rank + axis] = BigInt(after);
    return emit.node("Pad", [x!, emit.constant(pads, [2 * rank])]);
  },
  infer: ([x], { axis, before, after }) => ({
    dtype: x.dtype,
    shape: x.shape.map((size, i) => (i === axis ? size + before + after : size)),
  }),
  gradient: ({ inputs: [x], grad: dy, attrs: { axis, before } }) => [
    slice(dy, { axis, start: before, end: before + x.type.shape[axis]! }),
  ],
  evaluate: ([x], { axis, before }, type) => {
    const inner = computeStrides(x.type.shape)[axis]!;
    const inputSize = x.type.shape[axis]! * inner;
    const whole = type.shape[axis]! * inner;
    const out = new Float64Array(sizeOf(type.shape));
    x.data.forEach(
      (each, i) => (out[Math.floor(i / inputSize) * whole + before * inner + (i % inputSize)] = each),
    );
    return out;
  },
  samples: [{ inputs: [[2, 3, 2]], attrs: { axis: 1, before: 1, after: 2 } }],
});

/** Joins tensors end to end along one axis. */
export const concat = defineOp<Value[], { axis: number }>({
  name: "concat",
  onnx: "Concat",
  infer: (types, { axis }) => {
    const [first] = types;
    if (first === undefined) throw new Error("concat needs at least one tensor.");
    for (const type of types)
      if (
        first.shape[axis] === undefined ||
        type.dtype !== first.dtype ||
        type.shape.length !== first.shape.length ||
        type.shape.some((size, i) => i !== axis && size !== first.shape[i])
      )
        throw new Error(
          `concat along axis ${axis} of [${first.shape.join(", ")}] and [${type.shape.join(", ")}].`,
        );
    const total = types.reduce((size, type) => size + type.shape[axis]!, 0);
    return { dtype: first.dtype, shape: first.shape.map((size, i) => (i === axis ? total : size)) };
  },
  gradient: ({ inputs, grad: dy, attrs: { axis } }) => {
    let start = 0;
    return inputs.map((each) => {
      const end = start + each.type.shape[axis]!;
      const piece = slice(dy, { axis, start, end });
      start = end;
      return piece;
    });
  },
  evaluate: (inputs, { axis }, type) => {
    const out = new Float64Array(sizeOf(type.shape));
    const inner = computeStrides(type.shape)[axis]!;
    const whole = type.shape[axis]! * inner;
    let offset = 0;
    for (const each of inputs) {
      const inputSize = each.type.shape[axis]! * inner;
      const from = offset;
      each.data.forEach(
        (number, i) => (out[Math.floor(i / inputSize) * whole + from + (i % inputSize)] = number),
      );
      offset += inputSize;
    }
    return out;
  },
  samples: [
    {
      inputs: [
        [2, 1, 3],
        [2, 4, 3],
        [2, 2, 3],
      ],
      attrs: { axis: 1 },
    },
    {
      inputs: [
        [2, 2],
        [2, 3],
      ],
      attrs: { axis: 1 },
    },
  ],
});
