/** AdamW: Loshchilov & Hutter, Decoupled Weight Decay Regularization, 2019, arXiv 1711.05101, algorithm 2. */
import { scalar } from "../../graph/op";
import { add, div, mul, sqrt, sub } from "../../graph/ops/elementwise";
import type { Optimizer } from "../optimizer";

/**
 * With c = √(1 - β₂ᵗ): lr/(1 - β₁ᵗ) · m/(√v/c + ε) = [lr·c/(1 - β₁ᵗ)] · m/(√v + ε·c), which saves a pass over v.
 */
const adamw: Optimizer = {
  title: "AdamW",
  slots: ["exp_avg", "exp_avg_sq"],
  scalars: ({ adam_beta1, adam_beta2, adam_epsilon, weight_decay }, step, learningRate) => {
    const correction = Math.sqrt(1 - adam_beta2 ** step);
    return {
      step_size: (learningRate * correction) / (1 - adam_beta1 ** step),
      epsilon: adam_epsilon * correction,
      keep: 1 - learningRate * weight_decay,
    };
  },
  update: ({ parameter, gradient, slots: [m, v], scalars, options, decay }) => {
    const { adam_beta1, adam_beta2, weight_decay } = options;
    const mean = add(m!, mul(sub(gradient, m!), scalar(1 - adam_beta1)));
    const square = add(v!, mul(sub(mul(gradient, gradient), v!), scalar(1 - adam_beta2)));
    const change = div(mul(mean, scalars.step_size!), add(sqrt(square), scalars.epsilon!));
    const decayed = decay && weight_decay > 0 ? mul(parameter, scalars.keep!) : parameter;
    return { parameter: sub(decayed, change), slots: [mean, square] };
  },
};

export default adamw;
