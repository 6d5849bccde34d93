/** Estimates a plan: exact counts, and estimates of memory and work from the graphs that would run. */
import type { Counts, ModelCounts } from "../../../protocol/counts";
import { WorkbenchError } from "../../../protocol/errors";
import type { DeviceName } from "../../../schema/device";
import { dataSchema, trainSchema } from "../../../schema/experiment";
import { getReferenceName } from "../../../schema/preference";
import { countProcesses } from "../../../schema/parallel";
import type { RunPlan, Step } from "../../../protocol/run";
import { defaultTokenizer, openTokenizer } from "../../data/tokenizers/openTokenizer";
import { countModel, countStoredByAddress } from "../../models/accounting";
import { computeBytes, countModelProductFlops, estimateMemory } from "../../graph/cost";
import { splitPushOptions } from "../../exports/hub/pushRequest";
import { importLocalOutline, importShape } from "../../imports/importModel";
import { methods } from "../../methods/catalog";
import { hasExits } from "../../models/exits";
import {
  dimensionsOf,
  hasAdapters,
  listMatrixSlots,
  type ModelShape,
  parametersOf,
} from "../../models/model";
import { resizeShape } from "../../models/resizeEmbeddings";
import { layersOf, generalizeRole } from "../../models/roles";
import type { ParameterSpec } from "../../representations/representation";
import { describeSavings, type MemorySavings, noSavings } from "../../training/memorySavings";
import { refuseProbability } from "../../training/objective";
import { getBatchSize } from "../../training/request";
import { getMemoryLimit, chooseMemorySavings } from "../../training/stepMemory";
import { buildTrainStep } from "../../training/trainStep";
import { refuseExport } from "../actions/export";
import { planMethods } from "../actions/compress";
import { refuseUnsuitedMetrics } from "./evaluationFit";
import { estimateMethodMemory } from "./methodMemory";
import { estimateProcessMemory, type ProcessMemory } from "./processMemory";
import {
  getDataOptionsAt,
  hasLabels,
  resizesEmbeddings,
  createShapeForData,
  withBaseTokenizer,
} from "../steps/stepData";
import { getMerge, readMergedModels, refuseMerge } from "../steps/merges";
import { pickReference, refuseUnsuitedPreference } from "../steps/preferences";
import { readTeachers, createTeacher, Teachers } from "../steps/teachers";
import { createStepTrainee, planTraining } from "../steps/trainedShapes";
import { resolveExperimentFolder, createPlanShape } from "../steps/workshop";

export interface TrainingEstimate {
  /** Scalars that are trained and that are stored during the training; absent if all are trained. */
  readonly adapted?: { readonly trainable: number; readonly stored: number };
  /** The teacher model and its number of stored scalars. */
  readonly teacher?: { readonly model: string; readonly stored: number };
  /** The same of the frozen model that a preference compares with. */
  readonly reference?: { readonly model: string; readonly stored: number };
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
  /** Of a training that several processes share. */
  readonly perProcess?: ProcessMemory;
}

export interface StepEstimate {
  readonly action: string;
  readonly counts: ModelCounts;
  readonly training?: TrainingEstimate;
  /** The method or strategy of a `compress` step, and what it changes. */
  readonly treatment?: string;
  readonly treated?: readonly SizeChange[];
  /** Of an `export` step that names a repository of the hub. */
  readonly push?: { readonly repository: string; readonly private: boolean; readonly format: string };
  /** The expected peak memory of a method that works layer by layer, in bytes. */
  readonly peakBytes?: number;
}

/** Parts with the same address apart from the layer, and their stored scalars before and after. */
export interface SizeChange {
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
  let shape = await planShape(plan, workspace);
  const before = countModel(shape);
  const first = Object.fromEntries(countStoredByAddress(shape));
  const folder = resolveExperimentFolder({ plan, workspace });
  const teacherModels = await readTeachers(plan, (name) => importShape(name, folder));
  const teachers = new Teachers<ModelShape>(plan, shape, teacherModels);
  const mergedShapes = await readMergedModels(plan, (name) => importShape(name, folder));
  const steps = plan.steps.map((step): StepEstimate => {
    if (step.action === "train") shape = createShapeForData(shape, getDataOptionsAt(plan, step.index)).shape;
    const was = shape;
    refuseUnsuited(shape, step, getSequenceLength(plan, step));
    if (step.action === "train")
      refuseUnsuitedPreference(
        shape,
        trainSchema.parse(step.options),
        getDataOptionsAt(plan, step.index),
        teachers,
      );
    const { during, after: trained } = planTrainStep(shape, step);
    shape = trained;
    if (step.action === "compress") shape = planMethods(shape, step.options);
    const merge = getMerge(step);
    if (merge !== undefined) refuseMerge(merge, shape, mergedShapes);
    const counts = countModel(shape);
    teachers.after(step, shape);
    if (step.action === "compress") {
      const [treatment] = Object.keys(step.options) as [string];
      const peakBytes = estimateStepMemory(was, shape, plan, step);
      return {
        action: step.action,
        counts,
        treatment,
        treated: compareSlots(was, shape),
        ...(peakBytes === undefined ? {} : { peakBytes }),
      };
    }
    return step.action === "train"
      ? {
          action: step.action,
          counts,
          training: estimateTraining(during, plan, step, teachers, was),
        }
      : { action: step.action, counts, ...describePush(step) };
  });
  const after = Object.fromEntries(countStoredByAddress(shape));
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

const sumBytes = (specs: readonly ParameterSpec[]): number =>
  specs.reduce((sum, { shape, dtype }) => sum + computeBytes({ shape, dtype }), 0);

const pickAdapted = ({ trainable, stored }: Counts) => ({ trainable, stored });

function describePush({ action, options: { format, ...options } }: Step): Pick<StepEstimate, "push"> {
  const { push } = action === "export" ? splitPushOptions(options) : {};
  if (push === undefined) return {};
  return { push: { repository: push.repository, private: push.isPrivate, format: String(format) } };
}

const planTrainStep = (shape: ModelShape, { action, options }: Step) =>
  action === "train" ? planTraining(shape, trainSchema.parse(options)) : { during: shape, after: shape };

/** Refuses what this kind of model does not learn, cannot be measured by or cannot be written as. */
function refuseUnsuited(shape: ModelShape, step: Step, sequenceLength: number | undefined): void {
  const { action, options } = step;
  if (action === "export") refuseExport(shape, step);
  if (action === "train") refuseProbability(shape, options["mlm_probability"] as number | undefined);
  if (action === "evaluate") refuseUnsuitedMetrics(shape, options, sequenceLength);
}

/** Tokens of a training sequence of the data that a step reads, if there is any. */
function getSequenceLength(plan: RunPlan, { index }: Step): number | undefined {
  const data = getDataOptionsAt(plan, index);
  return data === undefined ? undefined : dataSchema.parse(data).sequence_len;
}

/** Of a step with one method; several methods differ in what they keep. */
function estimateStepMemory(
  before: ModelShape,
  after: ModelShape,
  plan: RunPlan,
  step: Step,
): number | undefined {
  const [[name, values], ...others] = Object.entries(step.options) as [[string, unknown], ...unknown[]];
  if (others.length > 0 || !Object.hasOwn(methods, name)) return undefined;
  const length = getSequenceLength(plan, step);
  const parsed: unknown = methods[name]!.options.parse(values);
  return length === undefined ? undefined : estimateMethodMemory(before, after, parsed, length);
}

function compareSlots(before: ModelShape, after: ModelShape): SizeChange[] {
  const [countsBefore, countsAfter] = [countStoredByAddress(before), countStoredByAddress(after)];
  // A packed matrix is listed part by part, unless a single number replaces the whole.
  for (const { matrix } of listMatrixSlots(before)) {
    const parts = matrix.parts?.map(({ role }) => role) ?? [];
    if (parts.length > 0 && countsAfter.has(matrix.role) && parts.every((role) => countsBefore.has(role)))
      countsBefore.set(
        matrix.role,
        parts.reduce((sum, role) => sum + countsBefore.get(role)!, 0),
      );
  }
  const layers = layersOf(before);
  const changed = new Map<string, SizeChange>();
  for (const [address, stored] of countsBefore) {
    const left = countsAfter.get(address);
    if (left === undefined || left === stored) continue;
    const pattern = generalizeRole(address, layers.get(address));
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
export async function planFinalShape(plan: RunPlan, workspace: string): Promise<ModelShape> {
  return plan.steps.reduce(
    (shape, { action, index, options }) =>
      action === "compress"
        ? planMethods(shape, options)
        : action === "train"
          ? planTraining(
              createShapeForData(shape, getDataOptionsAt(plan, index)).shape,
              trainSchema.parse(options),
            ).after
          : shape,
    await planShape(plan, workspace),
  );
}

/** Whether the size of a plan's model depends on more than the plan's text. */
export function readsFiles({ baseModel, model, data }: RunPlan): boolean {
  if (baseModel !== undefined) return true;
  const tokenizer = data && (data["tokenizer"] ?? defaultTokenizer);
  return model?.["vocab_size"] === undefined && tokenizer !== "bytes" && tokenizer !== "characters";
}

/** The model of a plan without its weights. Only a tokenizer may have to be read, for the size of the vocabulary. */
async function planShape(plan: RunPlan, workspace: string): Promise<ModelShape> {
  const folder = resolveExperimentFolder({ plan, workspace });
  if (plan.baseModel !== undefined) {
    const { shape, tokenizerFolder } = await importLocalOutline(plan.baseModel, folder);
    if (!resizesEmbeddings(plan)) return shape;
    const { data } = withBaseTokenizer(plan, tokenizerFolder);
    if (data !== undefined) return resizeShape(shape, await readVocabularySize(data, folder));
    return tokenizerFolder === undefined
      ? shape
      : resizeShape(shape, (await openTokenizer(tokenizerFolder, ".")).vocabSize);
  }
  if (plan.model?.["vocab_size"] !== undefined || plan.data === undefined)
    return createPlanShape(plan, undefined);
  return createPlanShape(plan, await readVocabularySize(plan.data, folder));
}

async function readVocabularySize(data: NonNullable<RunPlan["data"]>, folder: string): Promise<number> {
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
  start: ModelShape,
): TrainingEstimate {
  const options = trainSchema.parse(trainOptions);
  const teaching = options.teacher && teachers.of(options.teacher);
  const teacher = teaching && createTeacher(shape, teaching, options.teacher!);
  const dataOptions = getDataOptionsAt(plan, index);
  const data = dataOptions === undefined ? undefined : dataSchema.parse(dataOptions);
  const isPaired = options.preference !== undefined;
  const reference = pickReference(options.preference, start, teachers);
  const rows = getBatchSize(options) * (isPaired ? 2 : 1);
  const length = data?.sequence_len ?? dimensionsOf(shape).context;
  const documents = data?.document_mask === true && !isPaired;
  const batch = {
    rows,
    length,
    segments: documents || isPaired || data?.packing === false || hasLabels(dataOptions),
    positions: documents,
  };
  const trainee = createStepTrainee(shape, options, teacher);
  const savings = chooseMemorySavings(trainee, batch, options, getMemoryLimit(plan.device as DeviceName));
  const graph = buildTrainStep(trainee, batch, options, savings);
  // A lens sends a request after every edit, so the same graph is not built twice.
  const plain =
    describeSavings(savings) === undefined ? graph : buildTrainStep(trainee, batch, options, noSavings);
  const { state, working } = estimateMemory(graph, graph.state);
  const parts = options.gradient_accumulation_steps;
  return {
    ...(hasAdapters(shape) || hasExits(shape) ? { adapted: pickAdapted(countModel(shape).total) } : {}),
    ...(teaching === undefined
      ? {}
      : { teacher: { model: options.teacher!.model, stored: countModel(teaching).total.stored } }),
    ...(reference === undefined
      ? {}
      : {
          reference: {
            model: getReferenceName(options.preference!)!,
            stored: countModel(reference).total.stored,
          },
        }),
    ...(options.max_steps === undefined ? {} : { steps: options.max_steps }),
    tokensPerStep: rows * length * parts,
    flopsPerStep: countModelProductFlops(plain) * parts,
    // Frozen weights, codes and masks are inputs of the step that it does not replace, and a reference has its own program.
    stateBytes:
      state +
      sumBytes(trainee.parameters.filter(({ trainable }) => !trainable)) +
      (reference === undefined ? 0 : sumBytes(parametersOf(reference))),
    workingBytes: working,
    savings,
    ...(countProcesses(plan.parallel) === 1
      ? {}
      : { perProcess: estimateProcessMemory(trainee, batch, options, savings, plan.parallel!) }),
  };
}
