/** Activation functions with fused kernels in ONNX Runtime. */
import { geluA, geluB, geluTanhGradient, siluGradient } from "../composites/activations";
import { defineOp, type Value } from "../op";
import type { Unary } from "./elementwise";

/** tanh approximation of GELU, as GPT-2 uses it: x · σ(2u), u = √(2/π)·(x + 0.044715 x³). */
export const geluTanh: Unary = defineOp<[Value]>({
  name: "geluTanh",
  onnx: (emit, [x]) =>
    emit.portable
      ? emit.node("Gelu", [x!], { approximate: "tanh" })
      : emit.node("FastGelu", [x!], {}, "com.microsoft"),
  infer: ([x]) => x,
  gradient: ({ inputs: [x], output: y, grad: dy }) => [geluTanhGradient(x, y, dy)],
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
  gradient: ({ inputs: [x], output: y, grad: dy }) => [siluGradient(x, y, dy)],
  evaluate: ([x]) => x.data.map((each) => each / (1 + Math.exp(-each))),
  samples: [{ inputs: [[3, 7]], range: [-4, 4], attrs: {} }],
});
