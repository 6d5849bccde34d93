/** Activation functions with fused kernels in ONNX Runtime. */
import { defineOp, scalar, type Value } from "../op";
import { add, mul, sigmoid, sub, type Unary } from "./elementwise";

const geluA = 2 * Math.sqrt(2 / Math.PI);
const geluB = geluA * 0.044715;

/** tanh approximation of GELU, as GPT-2 uses it: x · σ(2u), u = √(2/π)·(x + 0.044715 x³). */
export const geluTanh: Unary = defineOp<[Value]>({
  name: "geluTanh",
  onnx: (emit, [x]) =>
    emit.portable
      ? emit.node("Gelu", [x!], { approximate: "tanh" })
      : emit.node("FastGelu", [x!], {}, "com.microsoft"),
  infer: ([x]) => x,
  // With s = σ(2u): dy/dx = s + y · (1 - s) · 2u', and 2u = x·(a + b·x²), 2u' = a + 3b·x².
  gradient: ({ inputs: [x], output: y, grad: dy }) => {
    const square = mul(x, x);
    const s = sigmoid(mul(x, add(mul(square, scalar(geluB)), scalar(geluA))));
    const slope = add(mul(square, scalar(3 * geluB)), scalar(geluA));
    return [mul(dy, add(s, mul(mul(y, sub(scalar(1), s)), slope)))];
  },
  evaluate: ([x]) => x.data.map((each) => each / (1 + Math.exp(-each * (geluA + geluB * each * each)))),
  samples: [{ inputs: [[3, 7]], range: [-3, 3], attrs: {} }],
});

/** SiLU or swish, x · σ(x), the activation of Llama and Phi-3. */
export const silu: Unary = defineOp<[Value]>({
  name: "silu",
  onnx: (emit, [x]) =>
    emit.portable
      ? emit.node("Mul", [x!, emit.node("Sigmoid", [x!])])
      : emit.node("QuickGelu", [x!], { alpha: 1 }, "com.microsoft"),
  infer: ([x]) => x,
  // With s = σ(x): dy/dx = s + y · (1 - s).
  gradient: ({ inputs: [x], output: y, grad: dy }) => {
    const s = sigmoid(x);
    return [mul(dy, add(s, mul(y, sub(scalar(1), s))))];
  },
  evaluate: ([x]) => x.data.map((each) => each / (1 + Math.exp(-each))),
  samples: [{ inputs: [[3, 7]], range: [-4, 4], attrs: {} }],
});
