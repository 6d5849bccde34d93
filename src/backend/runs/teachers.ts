/** Whom a train step learns from: the model of the run before anything was shrunk, or a trained one by its name. */
import { WorkbenchError } from "../../protocol/errors";
import { trainSchema } from "../../protocol/experiment";
import type { RunPlan, Step } from "../../protocol/run";
import { lossWeights, type TeacherOptions } from "../../protocol/teacher";
import { labelCount } from "../models/classifier";
import { dimensionsOf, type ModelShape } from "../models/model";
import { refuseTeacher, teacherLayers } from "../training/distillation";
import { type Teacher, traineeOf } from "../training/trainee";

/** Not a path, since no model of the hub and no folder of this name is meant. */
export const original = "original";

export function teacherOptionsOf({
  action,
  options,
}: Pick<Step, "action" | "options">): TeacherOptions | undefined {
  return action === "train" ? trainSchema.parse(options).teacher : undefined;
}

/** Models that the steps of a plan name as teachers, each once. */
export function namedTeachers({ steps }: Pick<RunPlan, "steps">): string[] {
  const names = steps.flatMap((step) => teacherOptionsOf(step)?.model ?? []);
  return [...new Set(names)].filter((name) => name !== original);
}

export function wantsOriginal({ steps }: Pick<RunPlan, "steps">): boolean {
  return steps.some((step) => teacherOptionsOf(step)?.model === original);
}

/** Keeps the model as it was before the first step that shrinks. */
export class OriginalModel<T> {
  #isShrunk = false;

  constructor(private model: T) {}

  /** To be told of every step, with the model after it. */
  after({ action }: Pick<Step, "action">, model: T): void {
    if (action === "compress") this.#isShrunk = true;
    if (!this.#isShrunk) this.model = model;
  }

  get value(): T {
    return this.model;
  }
}

/** Refuses, with the reason, a teacher that this model cannot learn from so. */
export function teacherOf(own: ModelShape, teacher: ModelShape, options: TeacherOptions): Teacher {
  const weights = lossWeights(options);
  const [classes, teachers] = [labelCount(own.config), labelCount(teacher.config)];
  if (classes !== teachers)
    throw new WorkbenchError(
      "invalid-input",
      `train.teacher cannot teach this model: ${kindOf(teachers)} teaches no ${kindOf(classes)}. Fine-tune the teacher on the same labels first.`,
    );
  const [ownSizes, teacherSizes] = [dimensionsOf(own), dimensionsOf(teacher)];
  const { layers, top_k: topK } = options;
  refuseTeacher(ownSizes, teacherSizes, weights, { layers, topK });
  return {
    ...weights,
    trainee: traineeOf(teacher),
    layers: teacherLayers(ownSizes.layers, teacherSizes.layers, layers),
    topK,
  };
}

function kindOf(classes: number | undefined): string {
  return classes === undefined ? "a language model" : `a classifier of ${classes} classes`;
}
