/** Estimates a plan: exact counts, and estimates of memory and work from the graphs that would run. */
import type { ModelCounts } from "../../../protocol/counts";
import { WorkbenchError } from "../../../protocol/errors";
import { dataSchema, type DeviceName, trainSchema } from "../../../schema/experiment";
import type { RunPlan, Step } from "../../../protocol/run";
import { defaultTokenizer, openTokenizer } from "../../data/tokenizers/openTokenizer";
import { countModel, storedByAddress } from "../../models/accounting";
import { memoryOf, productFlops } from "../../graph/cost";
import { importLocalOutline, importShape } from "../../imports/importModel";
import { dimensionsOf, matrixSlots, type ModelShape } from "../../models/model";
import { resizeShape } from "../../models/resizeEmbeddings";
import { metrics } from "../../evaluation/catalog";
import { layersOf, roleOfAnyLayer } from "../../models/roles";
import { traineeOf } from "../../training/trainee";
import { describeSavings, type MemorySavings, nothingSaved } from "../../training/memorySavings";
import { refuseProbability } from "../../training/objective";
import { batchSizeOf } from "../../training/request";
import { memoryLimit, memorySavings } from "../../training/stepMemory";
import { buildTrainStep } from "../../training/trainStep";
import { methodPlan } from "../actions/compress";
import {
  dataOptionsAt,
  hasLabels,
  resizesEmbeddings,
  shapeForData,
  withBaseTokenizer,
} from "../steps/stepData";
import { readTeachers, teacherOf, Teachers } from "../steps/teachers";
import { experimentFolder, shapeOfPlan } from "../steps/workshop";

export interface TrainingEstimate {
  /** The teacher model and its number of stored scalars. */
  readonly teacher?: { readonly model: string; readonly stored: number };
  /** Absent if the number of steps depends on the data, which a plan does not read. */
  readonly steps?: number;
  readonly tokensPerStep: number;
  /**
   * The work of the model itself, as papers count it: recomputation and skipped work for saving memory do not change
   * it.
   */
  readonly flopsPerStep: number;
  /** Persistent weights, moments and gradients, and the additional peak of a step. */
  readonly stateBytes: number;
  readonly workingBytes: number;
  /** What is never materialized as a whole. */
  readonly savings: MemorySavings;
}

export interface StepEstimate {
  readonly action: string;
  readonly counts: ModelCounts;
  readonly training?: TrainingEstimate;
  /** The method or strategy of a `compress` step, and what it changes. */
  readonly treatment?: string;
  readonly treated?: readonly Treated[];
}

/** Parts with the same address apart from the layer, and their stored scalars before and after. */
export interface Treated {
  /** Such as `layers.*.self_attn.q_proj` or `layers.*.mlp.up_proj.bias`. */
  readonly address: string;
  readonly parts: number;
  readonly before: number;
  readonly after: number;
}

export interface PlanEstimate {
  readonly name: string;
  readonly variant: string;
  readonly family: string;
  /** The configuration after the last action, with the keys of `config.json`. */
  readonly config: ModelShape["config"];
  /** Before the first action, then after each. */
  readonly before: ModelCounts;
  readonly steps: readonly StepEstimate[];
  /** Stored scalars by address before the first action and after the last. */
  readonly stored: {
    readonly before: Readonly<Record<string, number>>;
    readonly after: Readonly<Record<string, number>>;
  };
}

export async function estimatePlan(plan: RunPlan, workspace: string): Promise<PlanEstimate> {
  let shape = await plannedShape(plan, workspace);
  const before = countModel(shape);
  const first = Object.fromEntries(storedByAddress(shape));
  const folder = experimentFolder({ plan, workspace });
  const teacherModels = await readTeachers(plan, (name) => importShape(name, folder));
  const teachers = new Teachers<ModelShape>(plan, shape, teacherModels);
  const steps = plan.steps.map((step): StepEstimate => {
    if (step.action === "train") shape = shapeForData(shape, dataOptionsAt(plan, step.index)).shape;
    const was = shape;
    refuseUnsuited(shape, step);
    if (step.action === "compress") shape = methodPlan(shape, step.options);
    const counts = countModel(shape);
    teachers.after(step, shape);
    if (step.action === "compress") {
      const [treatment] = Object.keys(step.options) as [string];
      return { action: step.action, counts, treatment, treated: compareSlots(was, shape) };
    }
    return step.action === "train"
      ? {
          action: step.action,
          counts,
          training: estimateTraining(shape, plan, step, teachers),
        }
      : { action: step.action, counts };
  });
  const after = Object.fromEntries(storedByAddress(shape));
  return {
    name: plan.name,
    variant: plan.variant,
    family: shape.family,
    config: shape.config,
    before,
    steps,
    stored: { before: first, after },
  };
}

/** Refuses what this kind of model does not learn or cannot be measured by. */
function refuseUnsuited(shape: ModelShape, { action, options }: Step): void {
  if (action === "train") refuseProbability(shape, options["mlm_probability"] as number | undefined);
  if (action === "evaluate") for (const name of Object.keys(options)) metrics[name]?.checkModel?.(shape);
}

function compareSlots(before: ModelShape, after: ModelShape): Treated[] {
  const [was, now] = [storedByAddress(before), storedByAddress(after)];
  // A packed matrix is listed part by part, unless a single number replaces the whole.
  for (const { matrix } of matrixSlots(before)) {
    const parts = matrix.parts?.map(({ role }) => role) ?? [];
    if (parts.length > 0 && now.has(matrix.role) && parts.every((role) => was.has(role)))
      was.set(
        matrix.role,
        parts.reduce((sum, role) => sum + was.get(role)!, 0),
      );
  }
  const layers = layersOf(before);
  const changed = new Map<string, Treated>();
  for (const [address, stored] of was) {
    const left = now.get(address);
    if (left === undefined || left === stored) continue;
    const pattern = roleOfAnyLayer(address, layers.get(address));
    const { parts, ...sum } = changed.get(pattern) ?? { parts: 0, before: 0, after: 0 };
    changed.set(pattern, {
      address: pattern,
      parts: parts + 1,
      before: sum.before + stored,
      after: sum.after + left,
    });
  }
  return [...changed.values()];
}

/** The model as the last action of a plan would leave it. */
export async function shapeAfter(plan: RunPlan, workspace: string): Promise<ModelShape> {
  return plan.steps.reduce(
    (shape, { action, index, options }) =>
      action === "compress"
        ? methodPlan(shape, options)
        : action === "train"
          ? shapeForData(shape, dataOptionsAt(plan, index)).shape
          : shape,
    await plannedShape(plan, workspace),
  );
}

/** Whether the size of a plan's model depends on more than the plan's text. */
export function readsFiles({ baseModel, model, data }: RunPlan): boolean {
  if (baseModel !== undefined) return true;
  const tokenizer = data && (data["tokenizer"] ?? defaultTokenizer);
  return model?.["vocab_size"] === undefined && tokenizer !== "bytes" && tokenizer !== "characters";
}

/** The model of a plan without its weights. Only a tokenizer may have to be read, for the size of the vocabulary. */
async function plannedShape(plan: RunPlan, workspace: string): Promise<ModelShape> {
  const folder = experimentFolder({ plan, workspace });
  if (plan.baseModel !== undefined) {
    const { shape, tokenizerFolder } = await importLocalOutline(plan.baseModel, folder);
    if (!resizesEmbeddings(plan)) return shape;
    const { data } = withBaseTokenizer(plan, tokenizerFolder);
    if (data !== undefined) return resizeShape(shape, await vocabularyOf(data, folder));
    return tokenizerFolder === undefined
      ? shape
      : resizeShape(shape, (await openTokenizer(tokenizerFolder, ".")).vocabSize);
  }
  if (plan.model?.["vocab_size"] !== undefined || plan.data === undefined)
    return shapeOfPlan(plan, undefined);
  return shapeOfPlan(plan, await vocabularyOf(plan.data, folder));
}

async function vocabularyOf(data: NonNullable<RunPlan["data"]>, folder: string): Promise<number> {
  const { tokenizer } = dataSchema.parse(data);
  if (tokenizer === "characters")
    throw new WorkbenchError(
      "invalid-input",
      "With the tokenizer `characters` the vocabulary depends on the text, which a plan does not read. Write vocab_size in the model cell, or name another tokenizer.",
    );
  return (await openTokenizer(tokenizer, folder)).vocabSize;
}

function estimateTraining(
  shape: ModelShape,
  plan: RunPlan,
  { index, options: trainOptions }: Step,
  teachers: Teachers<ModelShape>,
): TrainingEstimate {
  const options = trainSchema.parse(trainOptions);
  const teaching = options.teacher && teachers.of(options.teacher);
  const teacher = teaching && teacherOf(shape, teaching, options.teacher!);
  const dataOptions = dataOptionsAt(plan, index);
  const data = dataOptions === undefined ? undefined : dataSchema.parse(dataOptions);
  const rows = batchSizeOf(options);
  const length = data?.sequence_len ?? dimensionsOf(shape).context;
  const documents = data?.document_mask === true;
  const batch = {
    rows,
    length,
    segments: documents || data?.packing === false || hasLabels(dataOptions),
    positions: documents,
  };
  const trainee = traineeOf(shape, teacher);
  const savings = memorySavings(trainee, batch, options, memoryLimit(plan.device as DeviceName));
  const graph = buildTrainStep(trainee, batch, options, savings);
  // A lens sends a request after every edit, so the same graph is not built twice.
  const plain =
    describeSavings(savings) === undefined ? graph : buildTrainStep(trainee, batch, options, nothingSaved);
  const { state, working } = memoryOf(graph, graph.state);
  const parts = options.gradient_accumulation_steps;
  return {
    ...(teaching === undefined
      ? {}
      : { teacher: { model: options.teacher!.model, stored: countModel(teaching).total.stored } }),
    ...(options.max_steps === undefined ? {} : { steps: options.max_steps }),
    tokensPerStep: rows * length * parts,
    flopsPerStep: productFlops(plain) * parts,
    stateBytes: state,
    workingBytes: working,
    savings,
  };
}
