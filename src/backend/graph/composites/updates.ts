/** Updates of optimizers. */
import { type Composite, defineComposite } from "../composite";
import { scalar, type Value } from "../op";
import { add, div, mul, sqrt, sub } from "../ops/elementwise";

type AdamwInputs = readonly [
  parameter: Value,
  gradient: Value,
  mean: Value,
  square: Value,
  stepSize: Value,
  epsilon: Value,
  keep?: Value,
];

/**
 * AdamW's next parameter and moments (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2):
 * m ← m + (1 - β₁)(g - m), v ← v + (1 - β₂)(g² - v), p ← keep · p - stepSize · m / (√v + epsilon).
 * The scalars `stepSize` and `epsilon` include the bias corrections; without `keep`, the parameter has no weight decay.
 */
export const adamw: Composite<AdamwInputs, { beta1: number; beta2: number }> = defineComposite<
  AdamwInputs,
  { beta1: number; beta2: number }
>({
  name: "adamw",
  body: ([parameter, gradient, m, v, stepSize, epsilon, keep], { beta1, beta2 }) => {
    const mean = add(m, mul(sub(gradient, m), scalar(1 - beta1)));
    const square = add(v, mul(sub(mul(gradient, gradient), v), scalar(1 - beta2)));
    const change = div(mul(mean, stepSize), add(sqrt(square), epsilon));
    const decayed = keep === undefined ? parameter : mul(parameter, keep);
    return [sub(decayed, change), mean, square];
  },
  gradient: "stop",
  samples: [
    {
      inputs: [[3, 4], [3, 4], [3, 4], [3, 4], [], [], []],
      range: [0.1, 1],
      attrs: { beta1: 0.9, beta2: 0.95 },
    },
    { inputs: [[5], [5], [5], [5], [], []], range: [0.1, 1], attrs: { beta1: 0.9, beta2: 0.999 } },
  ],
});
