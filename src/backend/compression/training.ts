/** Options for training between the steps of a method: those of a train cell that apply there, with the same names. */
import { type TrainOptions, trainSchema } from "../../schema/experiment";

const schema = trainSchema.pick({
  max_steps: true,
  per_device_train_batch_size: true,
  gradient_accumulation_steps: true,
  learning_rate: true,
  lr_scheduler_type: true,
  warmup_steps: true,
  optim: true,
  adam_beta1: true,
  adam_beta2: true,
  adam_epsilon: true,
  momentum: true,
  weight_decay: true,
  max_grad_norm: true,
  cumulative_loss: true,
  cumulative_decay: true,
});

/** If absent, the method does not train. */
export const trainingSchema = schema
  .required({ max_steps: true })
  .optional()
  .describe("Training between the steps, with the options of a `train` cell; none when left out.");
export type MethodTraining = NonNullable<ReturnType<typeof trainingSchema.parse>>;

/** Adds the defaults of all other training options. */
export function toTrainOptions(training: MethodTraining): TrainOptions {
  return trainSchema.parse({ ...training, eval_tokens: 0 });
}
