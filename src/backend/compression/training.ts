/** Training between the steps of a method: the options of a train cell that apply there, and the original model as a teacher. */
import { WorkbenchError } from "../../protocol/errors";
import { type TrainOptions, trainSchema } from "../../schema/experiment";
import { lossNames, type LossName } from "../../schema/teacher";
import { dimensionsOf, type ModelShape, withRepresentations } from "../models/model";
import { mapTeacherLayers } from "../training/distillation";
import { createTrainee, type Teacher } from "../training/trainee";

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

/** Weights of the losses, of which at least one must be above 0. */
export type TeacherOptions = { readonly temperature: number } & {
  readonly [K in `alpha_${LossName}`]?: number;
};

/** Returns the teacher that is the dense model before training; throws if no loss has a weight. */
export function createOriginalTeacher(title: string, shape: ModelShape, options: TeacherOptions): Teacher {
  const weights: Partial<Record<LossName, number>> = {};
  for (const name of lossNames) {
    const lossWeight = options[`alpha_${name}`] ?? 0;
    if (lossWeight > 0) weights[name] = lossWeight;
  }
  if (Object.keys(weights).length === 0)
    throw new WorkbenchError(
      "invalid-input",
      `${title} has no training loss. Set at least one of its weights, alpha_…, above 0.`,
    );
  const { layers } = dimensionsOf(shape);
  return {
    temperature: options.temperature,
    weights,
    trainee: createTrainee(withRepresentations(shape, {})),
    layers: mapTeacherLayers(layers, layers),
  };
}
