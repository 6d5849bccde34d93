/** Exact GELU, and the gradients of activation functions. */
import { pullBack } from "../autodiff";
import { type Composite, defineComposite } from "../composite";
import { scalar, type Value } from "../op";
import { add, erf, mul, sigmoid, sub } from "../ops/elementwise";

const computeGelu = (x: Value) => mul(mul(x, scalar(0.5)), add(erf(mul(x, scalar(Math.SQRT1_2))), scalar(1)));

/** Exact GELU: x · Φ(x) = x/2 · (1 + erf(x/√2)). */
export const gelu: Composite<[Value]> = defineComposite<[Value]>({
  name: "gelu",
  body: ([x]) => [computeGelu(x)],
  gradient: ({ inputs: [x], grad: dy }) => [geluGradient(x, dy)],
  samples: [{ inputs: [[3, 7]], range: [-3, 3], attrs: {} }],
});

/** The gradient of `gelu` in x, given x and the gradient of y. */
export const geluGradient: Composite<[Value, Value]> = defineComposite<[Value, Value]>({
  name: "geluGradient",
  elementwise: true,
  body: ([x, dy]) => {
    const [dx] = pullBack(new Map([[computeGelu(x), dy]]), [x]);
    return [dx!];
  },
  gradient: "stop",
  samples: [],
});

export const geluA = 2 * Math.sqrt(2 / Math.PI);
export const geluB = geluA * 0.044715;

type Activated = readonly [x: Value, y: Value, dy: Value];

/** The gradient of `geluTanh` in x, given x, y and the gradient of y. */
export const geluTanhGradient: Composite<Activated> = defineComposite<Activated>({
  name: "geluTanhGradient",
  elementwise: true,
  // With s = σ(2u): dy/dx = s + y · (1 - s) · 2u', and 2u = x·(a + b·x²), 2u' = a + 3b·x².
  body: ([x, y, dy]) => {
    const square = mul(x, x);
    const s = sigmoid(mul(x, add(mul(square, scalar(geluB)), scalar(geluA))));
    const slope = add(mul(square, scalar(3 * geluB)), scalar(geluA));
    return [mul(dy, add(s, mul(mul(y, sub(scalar(1), s)), slope)))];
  },
  gradient: "stop",
  samples: [],
});

/** The gradient of `silu` in x, given x, y and the gradient of y. */
export const siluGradient: Composite<Activated> = defineComposite<Activated>({
  name: "siluGradient",
  elementwise: true,
  // With s = σ(x): dy/dx = s + y · (1 - s).
  body: ([x, y, dy]) => {
    const s = sigmoid(x);
    return [mul(dy, add(s, mul(y, sub(scalar(1), s))))];
  },
  gradient: "stop",
  samples: [],
});
