/**
 * Finds what would fail only after a run has begun: a device that does not start, invalid text, a model that cannot
 * read it, a method that does not support the model. Data that takes long to read is left to the run.
 */
import { WorkbenchError } from "../../../protocol/errors";
import type { DeviceName } from "../../../schema/device";
import { type DataOptions, dataSchema, trainSchema } from "../../../schema/experiment";
import type { RunPlan, Step } from "../../../protocol/run";
import type { InferencePart } from "../../../schema/inference";
import { getDefaultCacheFolder } from "../../data/cacheFolder";
import { openTokenizer } from "../../data/tokenizers/openTokenizer";
import type { DataSet } from "../../data/dataSet";
import { refuseImpossiblePasskeys } from "../../data/passkeys";
import type { Tokenizer } from "../../data/tokenizers/tokenizer";
import { checkTrainOptions } from "../../engine/checks";
import { chooseDevice } from "../../engine/devices";
import { resolveThreadCount } from "../../engine/runtime";
import { metrics } from "../../evaluation/catalog";
import { splitEvaluation } from "../../evaluation/parseInference";
import type { EvaluationData, EvaluationPlaces } from "../../evaluation/metric";
import { toCanonicalJson } from "../../experiment/stepKey";
import { importOutline } from "../../imports/importModel";
import { requireNextToken } from "../../models/classifier";
import type { ModelShape } from "../../models/model";
import { resizeShape } from "../../models/resizeEmbeddings";
import { planMethods, refuseNeeds } from "../actions/compress";
import { refuseExport } from "../actions/export";
import { refuseUnsuitedMetrics } from "./evaluationFit";
import { refuseMismatch } from "./modelFit";
import { readIfShort } from "./shortData";
import {
  getDataOptionsAt,
  resizesEmbeddings,
  createShapeForData,
  createShapeForLabels,
  withBaseTokenizer,
} from "../steps/stepData";
import { getMerge, readMergedModels, refuseMerge } from "../steps/merges";
import { refuseUnsuitedPreference } from "../steps/preferences";
import { readTeachers, createTeacher, getTeacherOptions, Teachers } from "../steps/teachers";
import { planTraining } from "../steps/trainedShapes";
import { createPrepare } from "../../training/objective";
import { refuseOtherVocabularyOf, resolveExperimentFolder, createPlanShape } from "../steps/workshop";

/**
 * Throws the reason why one of the runs cannot start. Points of a sweep that differ only in other settings are
 * checked once.
 */
export async function checkPlans(plans: readonly RunPlan[], workspace: string): Promise<void> {
  resolveThreadCount(undefined);
  const checked = new Set<string>();
  for (const plan of plans) {
    const { data, model, baseModel, device, folder } = plan;
    const steps = plan.steps.map((step) =>
      step.action === "train"
        ? {
            teacher: getTeacherOptions(step),
            lora: step.options["lora"],
            exits: step.options["exits"],
            preference: step.options["preference"],
            data: step.options["data"],
            mlm: getMaskProbability(step),
            precision: step.options["precision"],
            compiled: step.options["torch_compile"],
          }
        : step.options,
    );
    const key = toCanonicalJson({ data, model, baseModel, device, folder, steps });
    if (checked.has(key)) continue;
    checked.add(key);
    try {
      await checkPlan(plan, workspace);
    } catch (thrown) {
      throw thrown instanceof FaultyPart ? thrown.withPlan(plan) : thrown;
    }
  }
}

/** The part of an experiment that is at fault: one of its keys, or a step of the plan. */
export type PlanPart = "device" | "data" | "model" | "base_model" | Step;

/** Why a plan cannot run, and where. */
export class FaultyPart extends WorkbenchError {
  constructor(
    reason: WorkbenchError,
    readonly part: PlanPart,
    readonly plan?: RunPlan,
  ) {
    super(reason.code, reason.message, reason.details, { cause: reason });
  }

  withPlan(plan: RunPlan): FaultyPart {
    return new FaultyPart(this, this.part, plan);
  }
}

/** Names the part in whose check something is thrown; the innermost part counts. */
async function check<T>(part: PlanPart, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw thrown instanceof WorkbenchError && !(thrown instanceof FaultyPart)
      ? new FaultyPart(thrown, part)
      : thrown;
  }
}

async function checkPlan(originalPlan: RunPlan, workspace: string): Promise<void> {
  // What `auto` comes to is looked for by the run itself, and it always comes to something.
  if (originalPlan.device !== "auto")
    await check("device", () => chooseDevice(originalPlan.device as DeviceName));
  const folder = resolveExperimentFolder({ plan: originalPlan, workspace });
  const { baseModel } = originalPlan;
  // Weights of the hub are left to the run, which shows how far it is.
  const base =
    baseModel === undefined
      ? undefined
      : await check("base_model", () => importOutline(baseModel, { baseFolder: folder }));
  const plan = withBaseTokenizer(originalPlan, base?.tokenizerFolder);
  const options = plan.data === undefined ? undefined : dataSchema.parse(plan.data);
  if (options !== undefined) await check("data", () => refuseImpossiblePasskeys(options));
  using data = options && (await check("data", () => readIfShort(options, folder)));
  const baseTokenizer =
    base?.tokenizerFolder === undefined ? undefined : await openTokenizer(base.tokenizerFolder, ".");
  const tokenizer =
    data?.tokenizer ??
    (options === undefined ? baseTokenizer : await check("data", () => openNamedTokenizer(options, folder)));
  const vocabSize = options && tokenizer?.vocabSize;
  const baseShape =
    base && resizesEmbeddings(plan) ? resizeShape(base.shape, tokenizer?.vocabSize ?? 0) : base?.shape;
  const shape =
    baseShape ??
    (await check("model", () => createPlanShape(plan, vocabSize ?? getPlaceholderVocabulary(plan))));
  if (options !== undefined) await check("data", () => refuseMismatch(shape, options.sequence_len, data));
  const outlineOf = (name: string) => importOutline(name, { baseFolder: folder });
  const shapeOf = async (name: string) => (await outlineOf(name)).shape;
  const shapeAlike = async (name: string) => {
    const outline = await outlineOf(name);
    await refuseOtherVocabularyOf(outline, name, tokenizer ?? baseTokenizer);
    return outline.shape;
  };
  const teachers = new Teachers<ModelShape>(plan, shape, await readTeachers(plan, shapeAlike));
  const mergedShapes = await readMergedModels(plan, shapeAlike);
  const subject = {
    data,
    tokenizer,
    hasData: options !== undefined,
    hasTokenizer: options !== undefined || base?.tokenizerFolder !== undefined,
  };
  for (const step of plan.steps) await check(step, () => checkPromptModel(step, shapeOf));
  let current = shape;
  for (const step of plan.steps)
    current = await check(step, () =>
      checkStep(step, { plan, folder, shape: current, teachers, mergedShapes, ...subject }),
    );
}

/** The model that a prompt policy names has to exist, and to predict the next token. */
async function checkPromptModel(
  { action, options }: Step,
  shapeOf: (name: string) => Promise<ModelShape>,
): Promise<void> {
  const { prompt } = action === "evaluate" ? splitEvaluation(options).inference : {};
  if (prompt?.options.model !== undefined)
    requireNextToken(await shapeOf(prompt.options.model), `inference.prompt.${prompt.name} cannot use it`);
}

interface StepContext extends Omit<Subject, "data"> {
  readonly plan: RunPlan;
  /** Of the experiment. */
  readonly folder: string;
  readonly data: DataSet | undefined;
  readonly teachers: Teachers<ModelShape>;
  /** The models that steps merge with the current one, by name. */
  readonly mergedShapes: ReadonlyMap<string, ModelShape>;
}

/** Returns the shape of the model after the step. */
async function checkStep(step: Step, context: StepContext): Promise<ModelShape> {
  const { plan, data, tokenizer, teachers, hasData } = context;
  let { shape } = context;
  const dataOptions = getDataOptionsAt(plan, step.index);
  // The changes that a step makes to the data must be valid together with the rest.
  if (dataOptions !== undefined) refuseImpossiblePasskeys(dataSchema.parse(dataOptions));
  if (step.action === "train") {
    // What `auto` comes to is known only when the run starts, which then refuses.
    if (plan.device !== "auto") checkTrainOptions(plan.device, step.options);
    const read = dataOptions === plan.data ? data : undefined;
    const { shape: trained, isSure } =
      read === undefined
        ? createShapeForData(shape, dataOptions)
        : { shape: createShapeForLabels(shape, read.labels), isSure: true };
    shape = trained;
    if (isSure && hasData) createPrepare(shape, tokenizer, getMaskProbability(step));
    const trainOptions = trainSchema.parse(step.options);
    refuseUnsuitedPreference(shape, trainOptions, dataOptions, teachers);
    const { during, after } = planTraining(shape, trainOptions);
    shape = after;
    const teacherOptions = getTeacherOptions(step);
    if (teacherOptions !== undefined && isSure)
      createTeacher(during, teachers.of(teacherOptions), teacherOptions);
  }
  if (step.action === "compress") {
    refuseNeeds(step.options, { text: hasData });
    shape = planMethods(shape, step.options);
  }
  const merge = getMerge(step);
  if (merge !== undefined) refuseMerge(merge, shape, context.mergedShapes);
  if (step.action === "export") refuseExport(shape, step);
  teachers.after(step, shape);
  // Other data than the experiment's is left to the run to read.
  if (step.action === "evaluate")
    await checkEvaluation(
      step.options,
      { ...context, shape, data: dataOptions === plan.data ? data : undefined },
      { baseFolder: context.folder, cacheFolder: getDefaultCacheFolder() },
      dataOptions && dataSchema.parse(dataOptions).sequence_len,
    );
  return shape;
}

const getMaskProbability = ({ options }: Step): number | undefined =>
  options["mlm_probability"] as number | undefined;

/**
 * Vocabulary size where neither the model states one nor a tokenizer is known because a long text is not read yet. Only the
 * kind of each matrix matters then.
 */
function getPlaceholderVocabulary({ data, model }: RunPlan): number | undefined {
  return data !== undefined && model?.["vocab_size"] === undefined ? 256 : undefined;
}

/** Undefined for a tokenizer that is trained on the text. */
async function openNamedTokenizer(
  { tokenizer }: DataOptions,
  folder: string,
): Promise<Tokenizer | undefined> {
  return tokenizer === "characters" ? undefined : openTokenizer(tokenizer, folder);
}

interface Subject {
  readonly shape: ModelShape;
  /** Absent if only the run can determine it. */
  readonly tokenizer: Tokenizer | undefined;
  /** Also absent if reading it is left to the run. */
  readonly data: EvaluationData | undefined;
  readonly hasData: boolean;
  readonly hasTokenizer: boolean;
}

async function checkEvaluation(
  options: Step["options"],
  subject: Subject,
  places: EvaluationPlaces,
  sequenceLength: number | undefined,
): Promise<void> {
  refuseUnsuitedMetrics(subject.shape, options, sequenceLength);
  const { metrics: chosen, inference } = splitEvaluation(options);
  for (const [name, values] of Object.entries(chosen)) {
    const metric = metrics[name]!;
    const parts = Object.keys(inference) as InferencePart[];
    const needs = [...metric.needs, ...parts.flatMap((part) => metric.needsWith?.[part] ?? [])];
    const parsed = metric.options.parse(values) as unknown;
    const readsData = needs.includes("data") && metric.readsFiles?.(parsed) !== true;
    if (readsData && !subject.hasData)
      throw new WorkbenchError(
        "invalid-input",
        `evaluate.${name} has no text to read. Add a data cell above it.`,
      );
    if (needs.includes("tokenizer") && !subject.hasTokenizer)
      throw new WorkbenchError(
        "invalid-input",
        `evaluate.${name} needs a tokenizer, but the base model has none. Add a data cell with data.tokenizer.`,
      );
    if (!readsData || subject.data !== undefined)
      await metric.check?.({ ...subject, inference }, parsed, places);
  }
}
