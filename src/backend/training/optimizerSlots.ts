/** State of each trained parameter: the optimizer's tensors, and the mean gradient if the training uses one. */
import type { TrainOptions } from "../../schema/experiment";
import { optimizers } from "./optimizers/catalog";

/** The slot of the exponential mean of gradients. */
export const gradientMeanSlot = "gradient_mean";

export function listOptimizerSlots({ optim, cumulative_loss }: TrainOptions): readonly string[] {
  const slots = optimizers[optim].slots;
  return cumulative_loss === "ema-grad" ? [...slots, gradientMeanSlot] : slots;
}
