/** Learning rate schedules: warm-up from zero, then a named schedule, down to `min_lr_ratio` of the peak. */
import type { TrainOptions } from "../../schema/experiment";

/** Fraction of the peak at `progress` 0…1 of the time after warm-up. */
const schedules: Readonly<Record<TrainOptions["lr_scheduler_type"], (progress: number) => number>> = {
  constant: () => 1,
  constant_with_warmup: () => 1,
  linear: (progress) => 1 - progress,
  cosine: (progress) => (1 + Math.cos(Math.PI * progress)) / 2,
};

export function countWarmupSteps(options: TrainOptions, steps: number): number {
  return options.warmup_steps > 0 ? options.warmup_steps : Math.ceil(options.warmup_ratio * steps);
}

/**
 * The learning rate of a step, counted from 1 to `steps`. Step n has the rate of Hugging Face's schedulers after n - 1
 * steps, except that `constant` applies warm-up, which Hugging Face's `constant` silently ignores.
 */
export function computeLearningRate(options: TrainOptions, step: number, steps: number): number {
  const { learning_rate: peak, lr_scheduler_type: type, min_lr_ratio: floor } = options;
  const warmup = countWarmupSteps(options, steps);
  const done = step - 1;
  if (done < warmup) return (peak * done) / warmup;
  const progress = Math.min(1, (done - warmup) / Math.max(1, steps - warmup));
  return peak * (floor + (1 - floor) * schedules[type](progress));
}
