/** The teacher or reference of a train step: the model of the run before any compression, or a trained model by name. */
import { WorkbenchError } from "../../../protocol/errors";
import { trainSchema } from "../../../schema/experiment";
import type { RunPlan, Step } from "../../../protocol/run";
import { getReferenceName, startReference } from "../../../schema/preference";
import { resolveLossWeights, type TeacherOptions } from "../../../schema/teacher";
import { findClass } from "../../data/labels";
import { type Head, getHead } from "../../models/classifier";
import { dimensionsOf, type ModelShape } from "../../models/model";
import { refuseTeacher, mapTeacherLayers } from "../../training/distillation";
import { type Teacher, createTrainee } from "../../training/trainee";

/** Not a path, since no model of the hub and no folder has this name. */
const original = "original";

export function getTeacherOptions({
  action,
  options,
}: Pick<Step, "action" | "options">): TeacherOptions | undefined {
  return action === "train" ? trainSchema.parse(options).teacher : undefined;
}

/** The models that a step learns from or is compared with, other than the one that it trains. */
function listOtherModels({ action, options }: Pick<Step, "action" | "options">): readonly string[] {
  if (action !== "train") return [];
  const { teacher, preference } = trainSchema.parse(options);
  const reference = preference && getReferenceName(preference);
  return [teacher?.model, reference].filter(
    (name) => name !== undefined && name !== startReference,
  ) as string[];
}

/** Reads each model that the steps of a plan name as their teacher or reference. */
export async function readTeachers<T>(
  { steps }: Pick<RunPlan, "steps">,
  read: (name: string) => Promise<T>,
): Promise<ReadonlyMap<string, T>> {
  const teachers = new Map<string, T>();
  for (const model of steps.flatMap(listOtherModels))
    if (model !== original && !teachers.has(model)) teachers.set(model, await read(model));
  return teachers;
}

/** The teachers and references of a plan's steps, up to the step that the plan has reached. */
export class Teachers<T> {
  #first: T | undefined;
  #isShrunk = false;

  /** The first model is released after use unless a step has it as its teacher or reference. */
  constructor(
    { steps }: Pick<RunPlan, "steps">,
    first: T,
    private readonly named: ReadonlyMap<string, T>,
  ) {
    if (steps.some((step) => listOtherModels(step).includes(original))) this.#first = first;
  }

  /** Call this after every step, with the model after it. */
  after({ action }: Pick<Step, "action">, model: T): void {
    if (action === "compress") this.#isShrunk = true;
    if (!this.#isShrunk && this.#first !== undefined) this.#first = model;
  }

  of({ model }: Pick<TeacherOptions, "model">): T {
    const teacher = model === original ? this.#first : this.named.get(model);
    if (teacher === undefined) throw new Error(`The teacher ${model} was not read.`);
    return teacher;
  }
}

/** Throws, with the reason, if the model can't learn from the teacher with these options. */
export function createTeacher(student: ModelShape, teacher: ModelShape, options: TeacherOptions): Teacher {
  const weights = resolveLossWeights(options);
  refuseOtherHead(getHead(student.config), getHead(teacher.config));
  const [ownSizes, teacherSizes] = [dimensionsOf(student), dimensionsOf(teacher)];
  const { layers, top_k: topK } = options;
  refuseTeacher(ownSizes, teacherSizes, weights, { layers, topK });
  return {
    ...weights,
    trainee: createTrainee(teacher),
    layers: mapTeacherLayers(ownSizes.layers, teacherSizes.layers, layers),
    topK,
  };
}

/** A teacher's outputs are compared with the model's one by one, so both need the same classes in the same order. */
function refuseOtherHead(student: Head | undefined, teacher: Head | undefined): void {
  const refuse = (why: string) => {
    throw new WorkbenchError("invalid-input", `train.teacher cannot be used for this model: ${why}`);
  };
  if (student?.kind === "regression" || teacher?.kind === "regression")
    refuse("distillation of a regression is not implemented. Remove train.teacher.");
  const [classes, teachers] = [student, teacher].map((head) => (head?.kind === "classes" ? head : undefined));
  if (classes?.names.length !== teachers?.names.length)
    refuse(
      `it is ${describeHead(classes)} and the teacher is ${describeHead(teachers)}. Fine-tune the teacher on the same labels first.`,
    );
  if (classes?.isNamed !== true || teachers?.isNamed !== true) return;
  if (classes.names.some((name, i) => findClass(name, teachers.names) !== i))
    refuse(
      `its classes are ${classes.names.join(", ")}, and those of the teacher are ${teachers.names.join(", ")}, in this order. Train from data with data.labels in the order of the teacher.`,
    );
}

function describeHead(classes: { readonly names: readonly string[] } | undefined): string {
  return classes === undefined ? "a language model" : `a ${classes.names.length}-class classifier`;
}
