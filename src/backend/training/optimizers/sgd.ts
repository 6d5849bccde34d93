/** Stochastic gradient descent with momentum (the form of PyTorch: velocity = μ·velocity + g) and decoupled weight decay. */
import { scalar } from "../../graph/op";
import { add, mul, sub } from "../../graph/ops/elementwise";
import type { Optimizer } from "../optimizer";

const sgd: Optimizer = {
  title: "SGD with momentum",
  slots: ["momentum"],
  scalars: ({ weight_decay }, _, learningRate) => ({
    step_size: learningRate,
    keep: 1 - learningRate * weight_decay,
  }),
  update: ({ parameter, gradient, slots: [velocity], scalars, options, decay }) => {
    const next = add(mul(velocity!, scalar(options.momentum)), gradient);
    const decayed = decay && options.weight_decay > 0 ? mul(parameter, scalars.keep!) : parameter;
    return { parameter: sub(decayed, mul(next, scalars.step_size!)), slots: [next] };
  },
};

export default sgd;
