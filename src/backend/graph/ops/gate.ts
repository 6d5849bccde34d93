/** Operations that only constrain the order of computation or stop gradients. */
import { defineOp, type Op, type Value } from "../op";
import type { Unary } from "./elementwise";

/**
 * Returns x unchanged, but only once `after` has been computed. The gate is always true and selects x, but the runtime
 * waits for both operands. Graph optimizers cannot remove it because the gate is fed at run time.
 */
export const waitFor: Op<[Value, Value, Value]> = defineOp<[Value, Value, Value]>({
  name: "waitFor",
  onnx: "Where",
  infer: ([gate, x, after]) => {
    if (gate.dtype !== "bool" || after.shape.length !== 0 || after.dtype !== x.dtype)
      throw new Error("waitFor takes a bool scalar, a tensor, and a scalar of the tensor's dtype.");
    return x;
  },
  gradient: "stop",
  evaluate: ([gate, x]) => {
    if (gate.data[0] !== 1) throw new Error("The gate must be fed with true.");
    return x.data;
  },
  samples: [{ inputs: [{ dtype: "bool", shape: [], range: [1, 2] }, [2, 3], []], attrs: {} }],
});

/** Returns x unchanged and stops its gradient. */
export const detach: Unary = defineOp<[Value]>({
  name: "detach",
  onnx: "Identity",
  infer: ([x]) => x,
  gradient: "zero",
  evaluate: ([x]) => x.data,
  samples: [{ inputs: [[2, 3]], attrs: {} }],
});
