/** Operations over the last axis with one kernel each in ONNX Runtime: softmax, log-softmax, layer norm and RMS norm. */
import { outputOf } from "../composite";
import { layerNormGradient, rmsNormGradient } from "../composites/norms";
import { defineOp, type Emitter, type Op, type Shape, type TensorType, type Value } from "../op";
import { exp, mul, sub } from "./elementwise";
import { matmul, type MatmulAttrs, matmulOp } from "./matmul";
import { overLastAxis, sum } from "./reduction";
import type { Unary } from "./elementwise";

/** Calls `write` with each row of the last axis. */
function mapRows(data: Float64Array, shape: Shape, write: (row: Float64Array) => void): Float64Array {
  const out = Float64Array.from(data);
  const width = shape.at(-1)!;
  for (let start = 0; start < out.length; start += width) write(out.subarray(start, start + width));
  return out;
}

/** Returns x's type, or throws if a scale does not have the length of x's last axis. */
function requireWidth(name: string, x: TensorType, ...scales: readonly TensorType[]): TensorType {
  const wrong = scales.find(({ shape }) => shape.join() !== String(x.shape.at(-1)));
  if (wrong !== undefined)
    throw new Error(`${name} of [${x.shape.join(", ")}] with a weight of [${wrong.shape.join(", ")}].`);
  return x;
}

export const softmax: Unary = defineOp<[Value]>({
  name: "softmax",
  onnx: (emit, [x]) => emit.node("Softmax", [x!], { axis: -1 }),
  infer: ([x]) => x,
  // dx = y · (dy - Σ dy·y).
  gradient: ({ output: y, grad: dy }) => [mul(y, sub(dy, sum(mul(dy, y), overLastAxis(y))))],
  evaluate: ([x]) =>
    mapRows(x.data, x.type.shape, (row) => {
      const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
      const total = row.reduce((a, b) => a + Math.exp(b - top), 0);
      row.forEach((each, i) => (row[i] = Math.exp(each - top) / total));
    }),
  samples: [{ inputs: [[2, 3, 5]], range: [-3, 3], attrs: {} }],
});

export const logSoftmax: Unary = defineOp<[Value]>({
  name: "logSoftmax",
  onnx: (emit, [x]) => emit.node("LogSoftmax", [x!], { axis: -1 }),
  infer: ([x]) => x,
  // dx = dy - softmax(x) · Σ dy.
  gradient: ({ output: y, grad: dy }) => [sub(dy, mul(exp(y), sum(dy, overLastAxis(y))))],
  evaluate: ([x]) =>
    mapRows(x.data, x.type.shape, (row) => {
      const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
      const total = top + Math.log(row.reduce((a, b) => a + Math.exp(b - top), 0));
      row.forEach((each, i) => (row[i] = each - total));
    }),
  samples: [{ inputs: [[2, 3, 5]], range: [-3, 3], attrs: {} }],
});

/** (x - mean) / √(variance + ε) · weight + bias over the last axis; weight and bias are [width]. */
export const layerNorm: Op<[Value, Value, Value], { epsilon: number }> = defineOp({
  name: "layerNorm",
  onnx: (emit: Emitter, [x, weight, bias]: readonly string[], { attrs }: { attrs: { epsilon: number } }) =>
    emit.node("LayerNormalization", [x!, weight!, bias!], { axis: -1, epsilon: attrs.epsilon }),
  infer: ([x, weight, bias]) => requireWidth("layerNorm", x, weight, bias),
  gradient: ({ inputs: [x, weight], grad: dy, attrs, needs }) => {
    const call = layerNormGradient(x, weight, dy, attrs);
    return [needs[0] ? call : null, needs[1] ? outputOf(call, 1) : null, needs[2] ? outputOf(call, 2) : null];
  },
  evaluate: ([x, weight, bias], { epsilon }) =>
    mapRows(x.data, x.type.shape, (row) => {
      const centre = row.reduce((a, b) => a + b, 0) / row.length;
      const variance = row.reduce((a, b) => a + (b - centre) ** 2, 0) / row.length;
      row.forEach(
        (each, i) =>
          (row[i] = ((each - centre) / Math.sqrt(variance + epsilon)) * weight.data[i]! + bias.data[i]!),
      );
    }),
  samples: [{ inputs: [[2, 3, 6], [6], [6]], attrs: { epsilon: 1e-3 } }],
});

/** x / √(mean(x²) + ε) · weight over the last axis (RMSNorm); weight is [width]. */
export const rmsNorm: Op<[Value, Value], { epsilon: number }> = defineOp({
  name: "rmsNorm",
  onnx: (
    emit: Emitter,
    [x, weight]: readonly string[],
    { attrs: { epsilon } }: { attrs: { epsilon: number } },
  ) => {
    if (!emit.portable)
      return emit.node("SimplifiedLayerNormalization", [x!, weight!], { axis: -1, epsilon, stash_type: 1 });
    const axes = emit.constant(BigInt64Array.of(-1n), [1]);
    const square = emit.node("ReduceMean", [emit.node("Mul", [x!, x!]), axes], { keepdims: true });
    const root = emit.node("Sqrt", [emit.node("Add", [square, emit.constant(Float32Array.of(epsilon), [])])]);
    return emit.node("Mul", [emit.node("Div", [x!, root]), weight!]);
  },
  infer: ([x, weight]) => requireWidth("rmsNorm", x, weight),
  gradient: ({ inputs: [x, weight], grad: dy, attrs, needs }) => {
    const call = rmsNormGradient(x, weight, dy, attrs);
    return [needs[0] ? call : null, needs[1] ? outputOf(call, 1) : null];
  },
  evaluate: ([x, weight], { epsilon }) =>
    mapRows(x.data, x.type.shape, (row) => {
      const root = Math.sqrt(row.reduce((a, b) => a + b * b, 0) / row.length + epsilon);
      row.forEach((each, i) => (row[i] = (each / root) * weight.data[i]!));
    }),
  samples: [{ inputs: [[2, 3, 6], [6]], attrs: { epsilon: 1e-3 } }],
});

/**
 * softmax(scores) · values: [..., n, m] × [..., m, d] → [..., n, d], the second half of attention.
 * Σ dP·P in the gradient of softmax equals Σ dY·Y over the much shorter rows of the output (Dao et al. 2022, arXiv
 * 2205.14135, appendix B.2), which saves two passes over the weights. The weights occur twice in the graph, as equal
 * subexpressions, and are computed once.
 */
export const softmaxMatmul: Op<[Value, Value]> = defineOp<[Value, Value]>({
  name: "softmaxMatmul",
  onnx: (emit, [scores, values]) =>
    emit.node("MatMul", [emit.node("Softmax", [scores!], { axis: -1 }), values!]),
  infer: ([scores, values]) => matmulOp.infer([scores, values], plainProduct),
  gradient: ({ inputs: [scores, values], output: y, grad: dy, needs }) => {
    const weights = softmax(scores);
    const through = matmul(dy, values, { transposeB: true });
    return [
      needs[0] ? mul(weights, sub(through, sum(mul(dy, y), overLastAxis(y)))) : null,
      needs[1] ? matmul(weights, dy, { transposeA: true }) : null,
    ];
  },
  evaluate: ([scores, values], _, type) => {
    const weights = { type: scores.type, data: softmax.evaluate([scores], {}, scores.type) };
    return matmulOp.evaluate([weights, values], plainProduct, type);
  },
  samples: [
    {
      inputs: [
        [2, 3, 4, 5],
        [2, 3, 5, 2],
      ],
      range: [-2, 2],
      attrs: {},
    },
  ],
});
const plainProduct: MatmulAttrs = { transposeA: false, transposeB: false, scale: 1 };
