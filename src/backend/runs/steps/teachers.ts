/** Whom a train step learns from: the model of the run before anything was shrunk, or a trained one by its name. */
import { WorkbenchError } from "../../../protocol/errors";
import { trainSchema } from "../../../schema/experiment";
import type { RunPlan, Step } from "../../../protocol/run";
import { lossWeights, type TeacherOptions } from "../../../schema/teacher";
import { labelCount } from "../../models/classifier";
import { dimensionsOf, type ModelShape } from "../../models/model";
import { refuseTeacher, teacherLayers } from "../../training/distillation";
import { type Teacher, traineeOf } from "../../training/trainee";

/** Not a path, since no model of the hub and no folder of this name is meant. */
const original = "original";

export function teacherOptionsOf({
  action,
  options,
}: Pick<Step, "action" | "options">): TeacherOptions | undefined {
  return action === "train" ? trainSchema.parse(options).teacher : undefined;
}

/** What is read of each model that the steps of a plan name as their teacher. */
export async function readTeachers<T>(
  { steps }: Pick<RunPlan, "steps">,
  read: (name: string) => Promise<T>,
): Promise<ReadonlyMap<string, T>> {
  const found = new Map<string, T>();
  for (const { model } of steps.flatMap((step) => teacherOptionsOf(step) ?? []))
    if (model !== original && !found.has(model)) found.set(model, await read(model));
  return found;
}

/** Whom the steps of a plan learn from, as far as the plan has come. */
export class Teachers<T> {
  #first: T | undefined;
  #isShrunk = false;

  /** The first model is held no longer than it is in use, unless somebody learns from it. */
  constructor(
    { steps }: Pick<RunPlan, "steps">,
    first: T,
    private readonly named: ReadonlyMap<string, T>,
  ) {
    if (steps.some((step) => teacherOptionsOf(step)?.model === original)) this.#first = first;
  }

  /** To be told of every step, with the model after it. */
  after({ action }: Pick<Step, "action">, model: T): void {
    if (action === "compress") this.#isShrunk = true;
    if (!this.#isShrunk && this.#first !== undefined) this.#first = model;
  }

  of({ model }: TeacherOptions): T {
    const found = model === original ? this.#first : this.named.get(model);
    if (found === undefined) throw new Error(`The teacher ${model} was not read.`);
    return found;
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
