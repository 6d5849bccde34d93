/** Operations that only order computation, or say where gradients end. */
import { defineOp, type Op, type Value } from "../op";
import type { Unary } from "./elementwise";

/**
 * x unchanged, but available only once `after` is: the gate, always true, chooses x, and the runtime has to wait for both.
 * A boolean that is fed at run time is what no optimizer can see through.
 */
export const gated: Op<[Value, Value, Value]> = defineOp<[Value, Value, Value]>({
  name: "gated",
  onnx: "Where",
  infer: ([gate, x, after]) => {
    if (gate.dtype !== "bool" || after.shape.length !== 0 || after.dtype !== x.dtype)
      throw new Error("gated takes a bool, a tensor and a scalar of the tensor's type.");
    return x;
  },
  gradient: "stop",
  evaluate: ([gate, x]) => {
    if (gate.data[0] !== 1) throw new Error("The gate must be fed with true.");
    return x.data;
  },
  samples: [{ inputs: [{ dtype: "bool", shape: [], range: [1, 2] }, [2, 3], []], attrs: {} }],
});

/** x unchanged, as a constant to whoever differentiates. */
export const detached: Unary = defineOp<[Value]>({
  name: "detached",
  onnx: "Identity",
  infer: ([x]) => x,
  gradient: "zero",
  evaluate: ([x]) => x.data,
  samples: [{ inputs: [[2, 3]], attrs: {} }],
});
