/** Whom a train step learns from: the model of the run before anything was shrunk, or a trained one by its name. */
import { WorkbenchError } from "../../../protocol/errors";
import { trainSchema } from "../../../schema/experiment";
import type { RunPlan, Step } from "../../../protocol/run";
import { lossWeights, type TeacherOptions } from "../../../schema/teacher";
import { findClass } from "../../data/labels";
import { type Head, headOf } from "../../models/classifier";
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
  refuseOtherHead(headOf(own.config), headOf(teacher.config));
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

/** A teacher's outputs are compared with the model's one by one, so they have to be the same classes in the same order. */
function refuseOtherHead(own: Head | undefined, teacher: Head | undefined): void {
  const refuse = (why: string) => {
    throw new WorkbenchError("invalid-input", `train.teacher cannot teach this model: ${why}`);
  };
  if (own?.kind === "regression" || teacher?.kind === "regression")
    refuse("distillation of a regression is not implemented. Remove train.teacher.");
  const [classes, teachers] = [own, teacher].map((head) => (head?.kind === "classes" ? head : undefined));
  if (classes?.names.length !== teachers?.names.length)
    refuse(
      `it is ${kindOf(classes)} and the teacher is ${kindOf(teachers)}. Fine-tune the teacher on the same labels first.`,
    );
  if (classes?.isNamed !== true || teachers?.isNamed !== true) return;
  if (classes.names.some((name, i) => findClass(name, teachers.names) !== i))
    refuse(
      `its classes are ${classes.names.join(", ")}, and those of the teacher are ${teachers.names.join(", ")}, in this order. Train from data with data.labels in the order of the teacher.`,
    );
}

function kindOf(classes: { readonly names: readonly string[] } | undefined): string {
  return classes === undefined ? "a language model" : `a ${classes.names.length}-class classifier`;
}
