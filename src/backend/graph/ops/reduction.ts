/** Reductions over axes. */
import {
  broadcastShapes,
  defineOp,
  type Op,
  type PlainTensor,
  scalar,
  type Shape,
  sizeOf,
  type TensorType,
  type Value,
} from "../op";
import { add, div, equal, exp, mul, sub, where } from "./elementwise";
import { reshape } from "./movement";

export interface Axes extends Readonly<Record<string, readonly number[] | boolean>> {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}
export type Reduction = Op<[Value], Axes>;

/** The last axis, which keeps size 1. */
export const overLastAxis = (x: Value): Axes => ({ axes: [x.type.shape.length - 1], keepDims: true });
/** All axes but the last one, which remain the only axis. */
export const overLeadingAxes = (x: Value): Axes => ({
  axes: x.type.shape.slice(1).map((_, axis) => axis),
  keepDims: false,
});

function computeReducedShape(shape: Shape, { axes, keepDims }: Axes): Shape {
  return shape.flatMap((size, axis) => (axes.includes(axis) ? (keepDims ? [1] : []) : [size]));
}

/** Reshapes the output to have size 1 for the reduced axes, so that it broadcasts against the input. */
function restoreReducedAxes(y: Value, input: TensorType, { axes }: Axes): Value {
  return reshape(y, { shape: input.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)) });
}

/** Number of input elements per output element. */
function countFolded(shape: Shape, { axes }: Axes): number {
  return axes.reduce((product, axis) => product * shape[axis]!, 1);
}

function fold(
  x: PlainTensor,
  attrs: Axes,
  start: number,
  step: (total: number, each: number) => number,
): Float64Array {
  const keptShape = x.type.shape.map((size, axis) => (attrs.axes.includes(axis) ? 1 : size));
  const out = new Float64Array(sizeOf(keptShape)).fill(start);
  for (let i = 0; i < x.data.length; i++) {
    let rest = i;
    let at = 0;
    let stride = 1;
    for (let axis = keptShape.length - 1; axis >= 0; axis--) {
      const size = x.type.shape[axis]!;
      if (keptShape[axis]! > 1) at += (rest % size) * stride;
      stride *= keptShape[axis]!;
      rest = Math.floor(rest / size);
    }
    out[at] = step(out[at]!, x.data[i]!);
  }
  return out;
}

function defineReduction(definition: {
  name: string;
  onnx: string;
  evaluate: (x: PlainTensor, attrs: Axes) => Float64Array;
  gradient: Reduction["gradient"];
}): Reduction {
  return defineOp<[Value], Axes>({
    name: definition.name,
    // Since opset 18 the axes are an input.
    onnx: (emit, [x], { attrs }) =>
      emit.node(
        definition.onnx,
        [x!, emit.constant(BigInt64Array.from(attrs.axes, BigInt), [attrs.axes.length])],
        {
          keepdims: attrs.keepDims,
        },
      ),
    infer: ([x], attrs) => {
      const bad = attrs.axes.find((axis) => axis < 0 || axis >= x.shape.length);
      if (bad !== undefined)
        throw new Error(`${definition.name} over axis ${bad} of [${x.shape.join(", ")}].`);
      return { dtype: x.dtype, shape: computeReducedShape(x.shape, attrs) };
    },
    gradient: definition.gradient,
    evaluate: ([x], attrs) => definition.evaluate(x, attrs),
    samples: [
      { inputs: [[2, 3, 4]], attrs: { axes: [1], keepDims: true } },
      { inputs: [[2, 3, 4]], attrs: { axes: [0, 2], keepDims: false } },
      { inputs: [[3]], attrs: { axes: [0], keepDims: false } },
    ],
  });
}

export const sum: Reduction = defineReduction({
  name: "sum",
  onnx: "ReduceSum",
  evaluate: (x, attrs) => fold(x, attrs, 0, (total, each) => total + each),
  gradient: ({ inputs: [x], grad: dy, attrs }) => [
    expand(restoreReducedAxes(dy, x.type, attrs), { shape: x.type.shape }),
  ],
});

export const mean: Reduction = defineReduction({
  name: "mean",
  onnx: "ReduceMean",
  evaluate: (x, attrs) => {
    const size = countFolded(x.type.shape, attrs);
    return fold(x, attrs, 0, (total, each) => total + each / size);
  },
  gradient: ({ inputs: [x], grad: dy, attrs }) => {
    const each = mul(restoreReducedAxes(dy, x.type, attrs), scalar(1 / countFolded(x.type.shape, attrs)));
    return [expand(each, { shape: x.type.shape })];
  },
});

/** The largest element. Equal largest elements share the gradient. */
export const max: Reduction = defineReduction({
  name: "max",
  onnx: "ReduceMax",
  evaluate: (x, attrs) => fold(x, attrs, -Infinity, Math.max),
  gradient: ({ inputs: [x], output: y, grad: dy, attrs }) => {
    const chosen = where(equal(x, restoreReducedAxes(y, x.type, attrs)), scalar(1), scalar(0));
    const share = div(
      restoreReducedAxes(dy, x.type, attrs),
      sum(chosen, { axes: attrs.axes, keepDims: true }),
    );
    return [mul(chosen, share)];
  },
});

/** Σ x² over the axes, without storing the squares; used for gradient norms. */
export const sumSquares: Reduction = defineReduction({
  name: "sumSquares",
  onnx: "ReduceSumSquare",
  evaluate: (x, attrs) => fold(x, attrs, 0, (total, each) => total + each * each),
  gradient: ({ inputs: [x], grad: dy, attrs }) => [
    mul(mul(x, scalar(2)), restoreReducedAxes(dy, x.type, attrs)),
  ],
});

/** log Σ exp(x) over the axes, computed without overflow. */
export const logSumExp: Reduction = defineReduction({
  name: "logSumExp",
  onnx: "ReduceLogSumExp",
  evaluate: (x, attrs) =>
    fold(x, attrs, -Infinity, (total, each) => {
      const top = Math.max(total, each);
      return top === -Infinity ? top : top + Math.log(Math.exp(total - top) + Math.exp(each - top));
    }),
  // dx = dy · exp(x - y).
  gradient: ({ inputs: [x], output: y, grad: dy, attrs }) => [
    mul(
      restoreReducedAxes(dy, x.type, attrs),
      exp(add(x, mul(scalar(-1), restoreReducedAxes(y, x.type, attrs)))),
    ),
  ],
});

/** Inclusive cumulative sum along an axis. */
export const cumulativeSum: Op<[Value], { axis: number }> = defineOp<[Value], { axis: number }>({
  name: "cumulativeSum",
  onnx: (emit, [x], { attrs: { axis } }) =>
    emit.node("CumSum", [x!, emit.constant(BigInt64Array.of(BigInt(axis)), [])]),
  infer: ([x], { axis }) => {
    if (x.shape[axis] === undefined)
      throw new Error(`cumulativeSum along axis ${axis} of [${x.shape.join(", ")}].`);
    return x;
  },
  // An element contributes to its own sum and to all later ones: dx = Σ dy − cumulativeSum(dy) + dy.
  gradient: ({ grad: dy, attrs: { axis } }) => [
    add(sub(sum(dy, { axes: [axis], keepDims: true }), cumulativeSum(dy, { axis })), dy),
  ],
  evaluate: ([x], { axis }) => {
    const out = Float64Array.from(x.data);
    const inner = sizeOf(x.type.shape.slice(axis + 1));
    const blockSize = inner * x.type.shape[axis]!;
    for (let i = 0; i < out.length; i++) if (i % blockSize >= inner) out[i]! += out[i - inner]!;
    return out;
  },
  samples: [
    { inputs: [[2, 3, 4]], attrs: { axis: 1 } },
    { inputs: [{ dtype: "int32", shape: [2, 5], range: [0, 3] }], attrs: { axis: 1 } },
  ],
});

/** Broadcasts x to `shape`; its gradient is a sum. */
export const expand = defineOp<[Value], { shape: Shape }>({
  name: "expand",
  onnx: (emit, [x], { attrs, types: [type] }) =>
    type.shape.join() === attrs.shape.join()
      ? x!
      : emit.node("Expand", [
          x!,
          emit.constant(BigInt64Array.from(attrs.shape, BigInt), [attrs.shape.length]),
        ]),
  infer: ([x], { shape }) => {
    if (broadcastShapes(x.shape, shape).join() !== shape.join())
      throw new Error(
        `expand of [${x.shape.join(", ")}] to [${shape.join(", ")}], which it does not broadcast to.`,
      );
    return { dtype: x.dtype, shape };
  },
  // Autodiff sums over the broadcast axes.
  gradient: ({ grad: dy }) => [dy],
  evaluate: ([x], { shape }) => {
    const out = new Float64Array(sizeOf(shape));
    const lead = shape.length - x.type.shape.length;
    for (let i = 0; i < out.length; i++) {
      let rest = i;
      let at = 0;
      let stride = 1;
      for (let axis = shape.length - 1; axis >= lead; axis--) {
        const size = x.type.shape[axis - lead]!;
        if (size > 1) at += (rest % shape[axis]!) * stride;
        stride *= size;
        rest = Math.floor(rest / shape[axis]!);
      }
      out[i] = x.data[at]!;
    }
    return out;
  },
  samples: [
    { inputs: [[2, 1, 3]], attrs: { shape: [2, 4, 3] } },
    { inputs: [[3]], attrs: { shape: [2, 3] } },
  ],
});
