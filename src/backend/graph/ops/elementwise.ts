/** Elementwise operations with NumPy broadcasting. Their gradients ignore broadcasting, which autodiff reverses. */
import {
  type DType,
  type NoAttrs,
  type Op,
  type PlainTensor,
  type Sample,
  type TensorType,
  type Value,
} from "../op";
import { broadcastShapes, defineOp, onnxDtype, scalar, sizeOf } from "../op";

export type Unary = Op<[Value]>;
export type Binary = Op<[Value, Value]>;
const none: NoAttrs = {};

function defineUnary(definition: {
  name: string;
  onnx: string;
  apply: (x: number) => number;
  gradient: Unary["gradient"];
  range?: readonly [number, number];
}): Unary {
  const { name, onnx, apply, gradient, range = [-2, 2] } = definition;
  return defineOp<[Value]>({
    name,
    onnx,
    infer: ([x]) => x,
    gradient,
    evaluate: ([x]) => x.data.map(apply),
    samples: [{ inputs: [[2, 3]], range, attrs: none }],
  });
}

/** The index in `operand` of each element of `type`, to which it broadcasts. */
function broadcastIndex(operand: TensorType, type: TensorType): Int32Array {
  const index = new Int32Array(sizeOf(type.shape));
  const lead = type.shape.length - operand.shape.length;
  let stride = 1;
  let block = 1; // elements of `type` that one step along the axis spans
  for (let axis = type.shape.length - 1; axis >= 0; axis--) {
    const size = type.shape[axis]!;
    const operandSize = operand.shape[axis - lead] ?? 1;
    if (operandSize > 1)
      for (let i = 0; i < index.length; i++) index[i]! += (Math.floor(i / block) % size) * stride;
    stride *= operandSize;
    block *= size;
  }
  return index;
}

function zip(
  inputs: readonly PlainTensor[],
  type: TensorType,
  apply: (...numbers: number[]) => number,
): Float64Array {
  const indices = inputs.map((each) => broadcastIndex(each.type, type));
  return Float64Array.from({ length: sizeOf(type.shape) }, (_, i) =>
    apply(...inputs.map((each, which) => each.data[indices[which]![i]!]!)),
  );
}

function requireSameDType(name: string, a: TensorType, b: TensorType): DType {
  if (a.dtype !== b.dtype)
    throw new Error(
      `${name} of ${a.dtype} [${a.shape.join(", ")}] and ${b.dtype} [${b.shape.join(", ")}]: cast one of them.`,
    );
  return a.dtype;
}

function requireBool(name: string, type: TensorType): TensorType {
  if (type.dtype !== "bool")
    throw new Error(`${name} takes a bool condition, not ${type.dtype} [${type.shape.join(", ")}].`);
  return type;
}

function defineBinary(definition: {
  name: string;
  onnx: string;
  apply: (a: number, b: number) => number;
  /** int32 version if it differs: products wrap around at 32 bits and quotients truncate toward zero. */
  applyInt?: (a: number, b: number) => number;
  gradient: Binary["gradient"];
  comparison?: boolean;
  samples?: readonly Sample<NoAttrs>[];
}): Binary {
  const { name, onnx, apply, applyInt = apply, gradient, comparison = false } = definition;
  return defineOp<[Value, Value]>({
    name,
    onnx,
    infer: ([a, b]) => {
      const dtype = requireSameDType(name, a, b);
      return { dtype: comparison ? "bool" : dtype, shape: broadcastShapes(a.shape, b.shape) };
    },
    gradient,
    evaluate: (inputs, _, type) => zip(inputs, type, inputs[0].type.dtype === "int32" ? applyInt : apply),
    samples: definition.samples ?? [
      {
        inputs: [
          [2, 3],
          [2, 3],
        ],
        attrs: none,
      },
      {
        inputs: [
          [2, 1, 3],
          [4, 1],
        ],
        attrs: none,
      },
    ],
  });
}

// Keeps divisors away from zero, where double precision and float32 diverge.
const positiveSamples: readonly Sample<NoAttrs>[] = [
  {
    inputs: [
      [2, 3],
      [2, 3],
    ],
    range: [0.5, 2],
    attrs: none,
  },
  {
    inputs: [
      [2, 1, 3],
      [4, 1],
    ],
    range: [0.5, 2],
    attrs: none,
  },
];

export const add: Binary = defineBinary({
  name: "add",
  onnx: "Add",
  apply: (a, b) => a + b,
  applyInt: (a, b) => (a + b) | 0,
  gradient: ({ grad: dy }) => [dy, dy],
});

export const sub: Binary = defineBinary({
  name: "sub",
  onnx: "Sub",
  apply: (a, b) => a - b,
  applyInt: (a, b) => (a - b) | 0,
  gradient: ({ grad: dy, needs }) => [dy, needs[1] ? neg(dy) : null],
});

export const mul: Binary = defineBinary({
  name: "mul",
  onnx: "Mul",
  apply: (a, b) => a * b,
  applyInt: Math.imul,
  gradient: ({ inputs: [a, b], grad: dy, needs }) => [
    needs[0] ? mul(dy, b) : null,
    needs[1] ? mul(dy, a) : null,
  ],
});

export const div: Binary = defineBinary({
  name: "div",
  onnx: "Div",
  apply: (a, b) => a / b,
  applyInt: (a, b) => Math.trunc(a / b),
  // y = a / b, so da = dy / b and db = -dy · y / b.
  gradient: ({ inputs: [, b], output: y, grad: dy, needs }) => {
    const da = div(dy, b);
    return [da, needs[1] ? neg(mul(da, y)) : null];
  },
  samples: positiveSamples,
});

export const neg: Unary = defineUnary({
  name: "neg",
  onnx: "Neg",
  apply: (x) => -x,
  gradient: ({ grad: dy }) => [neg(dy)],
});

export const exp: Unary = defineUnary({
  name: "exp",
  onnx: "Exp",
  apply: Math.exp,
  gradient: ({ output: y, grad: dy }) => [mul(dy, y)],
});

export const log: Unary = defineUnary({
  name: "log",
  onnx: "Log",
  apply: Math.log,
  range: [0.2, 3],
  gradient: ({ inputs: [x], grad: dy }) => [div(dy, x)],
});

export const sqrt: Unary = defineUnary({
  name: "sqrt",
  onnx: "Sqrt",
  apply: Math.sqrt,
  range: [0.1, 2],
  // y = √x, so dx = dy / 2y.
  gradient: ({ output: y, grad: dy }) => [div(dy, mul(scalar(2), y))],
});

export const reciprocal: Unary = defineUnary({
  name: "reciprocal",
  onnx: "Reciprocal",
  apply: (x) => 1 / x,
  range: [0.3, 2],
  // y = 1/x, so dx = -dy · y².
  gradient: ({ output: y, grad: dy }) => [neg(mul(dy, mul(y, y)))],
});

export const tanh: Unary = defineUnary({
  name: "tanh",
  onnx: "Tanh",
  apply: Math.tanh,
  // dx = dy · (1 - y²).
  gradient: ({ output: y, grad: dy }) => [mul(dy, sub(scalar(1), mul(y, y)))],
});

export const sigmoid: Unary = defineUnary({
  name: "sigmoid",
  onnx: "Sigmoid",
  apply: (x) => 1 / (1 + Math.exp(-x)),
  // dx = dy · y · (1 - y).
  gradient: ({ output: y, grad: dy }) => [mul(dy, mul(y, sub(scalar(1), y)))],
});

/** Taylor series of the error function, exact to double precision for |x| ≤ 3. */
function erfSeries(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total) && n < 200; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

export const erf: Unary = defineUnary({
  name: "erf",
  onnx: "Erf",
  apply: (x) => (Math.abs(x) > 5.5 ? Math.sign(x) : erfSeries(x)),
  // dx = dy · 2/√π · exp(-x²).
  gradient: ({ inputs: [x], grad: dy }) => [
    mul(dy, mul(scalar(2 / Math.sqrt(Math.PI)), exp(neg(mul(x, x))))),
  ],
});

export const relu: Unary = defineUnary({
  name: "relu",
  onnx: "Relu",
  apply: (x) => Math.max(x, 0),
  gradient: ({ inputs: [x], grad: dy }) => [where(greater(x, scalar(0)), dy, scalar(0))],
});

export const abs: Unary = defineUnary({
  name: "abs",
  onnx: "Abs",
  apply: Math.abs,
  gradient: ({ inputs: [x], grad: dy }) => [where(greater(x, scalar(0)), dy, neg(dy))],
});

export const cos: Unary = defineUnary({
  name: "cos",
  onnx: "Cos",
  apply: Math.cos,
  gradient: ({ inputs: [x], grad: dy }) => [neg(mul(dy, sin(x)))],
});

export const sin: Unary = defineUnary({
  name: "sin",
  onnx: "Sin",
  apply: Math.sin,
  gradient: ({ inputs: [x], grad: dy }) => [mul(dy, cos(x))],
});

// If the operands are equal, the first receives the gradient.
export const maximum: Binary = defineBinary({
  name: "maximum",
  onnx: "Max",
  apply: Math.max,
  gradient: ({ inputs: [a, b], grad: dy }) => {
    const second = less(a, b);
    return [where(second, scalar(0), dy), where(second, dy, scalar(0))];
  },
});

export const minimum: Binary = defineBinary({
  name: "minimum",
  onnx: "Min",
  apply: Math.min,
  gradient: ({ inputs: [a, b], grad: dy }) => {
    const second = greater(a, b);
    return [where(second, scalar(0), dy), where(second, dy, scalar(0))];
  },
});

function defineComparison(name: string, onnx: string, holds: (a: number, b: number) => boolean): Binary {
  const int = { dtype: "int32", range: [0, 3] } as const;
  return defineBinary({
    name,
    onnx,
    comparison: true,
    apply: (a, b) => Number(holds(a, b)),
    gradient: "zero",
    samples: [
      {
        inputs: [
          [2, 3],
          [2, 3],
        ],
        attrs: none,
      },
      {
        inputs: [
          { ...int, shape: [4, 1] },
          { ...int, shape: [5] },
        ],
        attrs: none,
      },
    ],
  });
}

export const less: Binary = defineComparison("less", "Less", (a, b) => a < b);
export const lessOrEqual: Binary = defineComparison("lessOrEqual", "LessOrEqual", (a, b) => a <= b);
export const greater: Binary = defineComparison("greater", "Greater", (a, b) => a > b);
export const equal: Binary = defineComparison("equal", "Equal", (a, b) => a === b);

export const and: Binary = defineBinary({
  name: "and",
  onnx: "And",
  apply: (a, b) => a * b,
  gradient: "zero",
  samples: [
    {
      inputs: [
        { dtype: "bool", shape: [2, 3] },
        { dtype: "bool", shape: [3] },
      ],
      attrs: none,
    },
  ],
});

export const not: Unary = defineOp<[Value]>({
  name: "not",
  onnx: "Not",
  infer: ([x]) => requireBool("not", x),
  gradient: "zero",
  evaluate: ([x]) => x.data.map((each) => 1 - each),
  samples: [{ inputs: [{ dtype: "bool", shape: [2, 3] }], attrs: none }],
});

/** `condition ? a : b`, element by element. */
export const where: Op<[Value, Value, Value]> = defineOp<[Value, Value, Value]>({
  name: "where",
  onnx: "Where",
  infer: ([condition, a, b]) => {
    requireBool("where", condition);
    return {
      dtype: requireSameDType("where", a, b),
      shape: broadcastShapes(condition.shape, broadcastShapes(a.shape, b.shape)),
    };
  },
  gradient: ({ inputs: [condition], grad: dy, needs }) => [
    null,
    needs[1] ? where(condition, dy, scalar(0)) : null,
    needs[2] ? where(condition, scalar(0), dy) : null,
  ],
  evaluate: (inputs, _, type) => zip(inputs, type, (condition, a, b) => (condition === 0 ? b : a)),
  samples: [
    { inputs: [{ dtype: "bool", shape: [2, 3] }, [2, 3], [2, 3]], attrs: none },
    { inputs: [{ dtype: "bool", shape: [4, 1] }, [4, 3], []], attrs: none },
  ],
});

/** Converts the element type. Floats are truncated toward zero. */
export const cast = defineOp<[Value], { to: DType }>({
  name: "cast",
  onnx: (emit, [x], { attrs }) => emit.node("Cast", [x!], { to: onnxDtype[attrs.to] }),
  infer: ([x], { to }) => ({ dtype: to, shape: x.shape }),
  gradient: "zero",
  evaluate: ([x], { to }) =>
    x.data.map((each) => (to === "float32" ? each : to === "bool" ? Number(each !== 0) : Math.trunc(each))),
  samples: [
    { inputs: [{ dtype: "int32", shape: [2, 3], range: [-5, 5] }], attrs: { to: "float32" } },
    { inputs: [{ dtype: "int32", shape: [2, 3], range: [0, 2] }], attrs: { to: "bool" } },
    { inputs: [{ dtype: "int8", shape: [2, 3], range: [-128, 127] }], attrs: { to: "float32" } },
    { inputs: [[7]], range: [-4, 4], attrs: { to: "int32" } },
  ],
});
