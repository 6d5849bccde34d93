/** AdamW: Loshchilov & Hutter, Decoupled Weight Decay Regularization, 2019, arXiv 1711.05101, algorithm 2. */
import { outputOf } from "../../graph/composite";
import { adamw as update } from "../../graph/composites/updates";
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
    const { adam_beta1: beta1, adam_beta2: beta2, weight_decay } = options;
    const keep = decay && weight_decay > 0 ? scalars.keep : undefined;
    const next = update(parameter, gradient, m!, v!, scalars.step_size!, scalars.epsilon!, keep, {
      beta1,
      beta2,
    });
    return { parameter: next, slots: [outputOf(next, 1), outputOf(next, 2)] };
  },
};

export default adamw;
