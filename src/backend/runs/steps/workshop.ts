/** What the actions of a run work with: the engine, the data, and the workpiece, which is the current model. */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import type { BaseModel } from "../../../schema/baseModel";
import type { DeviceName } from "../../../schema/device";
import { dataSchema } from "../../../schema/experiment";
import { countProcesses } from "../../../schema/parallel";
import type { RunPlan } from "../../../protocol/run";
import { getDefaultCacheFolder } from "../../data/cacheFolder";
import { type DataSet, openData } from "../../data/dataSet";
import type { DownloadContext } from "../../data/download";
import { formatDataLines } from "../../data/summaryText";
import { openTokenizer } from "../../data/tokenizers/openTokenizer";
import type { Tokenizer } from "../../data/tokenizers/tokenizer";
import { refuseOtherVocabulary } from "../../data/tokenizers/vocabulary";
import type { Engine } from "../../engine/engine";
import { openEngine } from "../../engine/open";
import { toCanonicalJson } from "../../experiment/stepKey";
import type { ImportedModel } from "../../imports/importedModel";
import { importModel } from "../../imports/importModel";
import { initialize } from "../../models/initialize";
import { completeConfig, dimensionsOf, type ModelShape, createShape } from "../../models/model";
import type { HostTensors } from "../../checkpoints/safetensors";
import { resizeShape, resizeTensors } from "../../models/resizeEmbeddings";
import { refuseMismatch } from "../planning/modelFit";
import type { RunContext } from "./runContext";
import { getDataOptionsAt, resizesEmbeddings, listStepsWithData, withBaseTokenizer } from "./stepData";
import { readMergedModels } from "./merges";
import { readTeachers, Teachers } from "./teachers";

export interface Workpiece {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  /** Optimizer steps of the run so far, over all its actions. */
  readonly step: number;
  /** Tokens that contributed to the loss of these steps. */
  readonly tokens: number;
  /** The folder of the checkpoint with exactly this model, if one was written. */
  readonly checkpoint?: string | undefined;
}

export interface Workshop extends AsyncDisposable {
  readonly context: RunContext;
  readonly engine: Engine;
  /** The experiment's data; the data of each action is in `stepData`. */
  readonly data: DataSet | undefined;
  /** By the index of the step. */
  readonly stepData: readonly (DataSet | undefined)[];
  /** Covers all data that any step reads. */
  readonly dataHash: string | undefined;
  /** The tokenizer of the data, otherwise the base model's own. */
  readonly tokenizer: Tokenizer | undefined;
  readonly baseModelHash: string | undefined;
  readonly teachers: Teachers<Pick<Workpiece, "shape" | "tensors">>;
  readonly teachersHash: string | undefined;
  /** By the name under which a merge step names them. */
  readonly mergedModels: ReadonlyMap<string, ImportedModel>;
  readonly mergedHash: string | undefined;
  readonly first: Workpiece;
}

export async function openWorkshop(context: RunContext): Promise<Workshop> {
  const dataSets: DataSet[] = [];
  const open = async (options: NonNullable<RunPlan["data"]>): Promise<DataSet> => {
    const dataSet = await readData(context, options);
    dataSets.push(dataSet);
    return dataSet;
  };
  try {
    const { baseModel } = context.plan;
    const base = baseModel === undefined ? undefined : await importBaseModel(context, baseModel);
    const plan = withBaseTokenizer(context.plan, base?.tokenizerFolder);
    if (plan !== context.plan)
      context.log(`The data is read with the tokenizer of the base model (${base!.tokenizerFolder}).`);
    const data = plan.data === undefined ? undefined : await open(plan.data);
    const byStep = new Map<number, DataSet>();
    for (const index of listStepsWithData(plan))
      byStep.set(index, await open(getDataOptionsAt(plan, index)!));
    const stepData = plan.steps.map(({ index }) =>
      [...byStep].reduce((current, [from, each]) => (from <= index ? each : current), data),
    );
    const dataHash = hashDataSets(dataSets);
    refuseOtherData(context, dataHash);
    refuseOtherTokenizer(dataSets);
    const tokenizer = await openRunTokenizer(context, data, base);
    const readAlike = async (name: string) => {
      const model = await importBaseModel(context, name);
      await refuseOtherVocabularyOf(model, name, tokenizer);
      return model;
    };
    const teachers = await readTeachers(plan, readAlike);
    const mergedModels = await readMergedModels(plan, readAlike);
    const isResized = base !== undefined && tokenizer !== undefined && resizesEmbeddings(plan);
    const trained = isResized ? addTokens(context, base, tokenizer.vocabSize) : base;
    const first = createFirstWorkpiece(plan, data, dataSets, trained);
    const engine = await openEngine(plan.device as DeviceName, {
      parallel: plan.parallel,
      report: (message) => {
        context.log(message);
        context.progress({ step: context.control.step, steps: 0, action: message.replace(/\.$/, "") });
      },
    });
    const { name, description, reason, notices } = engine.device;
    context.log(`Device ${name} (${description}): ${reason}.`);
    if (countProcesses(plan.parallel) > 1)
      context.log(
        `${countProcesses(plan.parallel)} processes share each batch; sharding: ${plan.parallel!.sharding}.`,
      );
    for (const notice of notices) context.notice(notice);
    const { floor } = data ?? {};
    context.describe({
      device: { name, description, reason },
      ...(dataHash === undefined ? {} : { dataHash, dataTitle: joinTitles(dataSets) }),
      ...(floor === undefined ? {} : { floor }),
    });
    return {
      context,
      engine,
      data,
      stepData,
      dataHash,
      tokenizer,
      baseModelHash: base && hashModel(base),
      teachers: new Teachers<Pick<Workpiece, "shape" | "tensors">>(plan, first, teachers),
      teachersHash: hashModels(teachers),
      mergedModels,
      mergedHash: hashModels(mergedModels),
      first,
      async [Symbol.asyncDispose]() {
        await engine[Symbol.asyncDispose]();
        for (const each of dataSets) each[Symbol.dispose]();
      },
    };
  } catch (thrown) {
    for (const each of dataSets) each[Symbol.dispose]();
    throw thrown;
  }
}

/** Paths of a plan are relative to the experiment's folder, which is relative to the workspace. */
export function resolveExperimentFolder({ plan, workspace }: Pick<RunContext, "plan" | "workspace">): string {
  return resolve(workspace, plan.folder);
}

/** Stops with the run and shows its progress in the record. */
export function createDownloadContext(
  context: RunContext,
): DownloadContext & { readonly signal: AbortSignal } {
  const percent = (done: number, total: number) => (total === 0 ? 0 : Math.floor((100 * done) / total));
  return {
    signal: context.signal,
    progress: (done, total, what) =>
      context.progress({ step: context.control.step, steps: 0, action: `${what} ${percent(done, total)} %` }),
  };
}

async function importBaseModel(context: RunContext, name: BaseModel): Promise<ImportedModel> {
  const model = await importModel(name, {
    baseFolder: resolveExperimentFolder(context),
    ...createDownloadContext(context),
  });
  for (const notice of model.notices ?? []) context.log(notice);
  return model;
}

/** Reads a model that an option names, with its own tokenizer if it has one. */
export async function importNamedModel(context: RunContext, name: string) {
  const { shape, tensors, tokenizerFolder } = await importBaseModel(context, name);
  const tokenizer = tokenizerFolder === undefined ? undefined : await openTokenizer(tokenizerFolder, ".");
  return { shape, tensors, tokenizer };
}

async function readData(context: RunContext, options: NonNullable<RunPlan["data"]>): Promise<DataSet> {
  const data = await openData(dataSchema.parse(options), {
    baseFolder: resolveExperimentFolder(context),
    cacheFolder: getDefaultCacheFolder(),
    ...createDownloadContext(context),
  });
  for (const line of formatDataLines(data.summary)) context.log(line);
  for (const notice of data.notices) context.notice(notice);
  if (data.floor !== undefined)
    context.log(`The entropy rate of the text is ${data.floor.toFixed(4)} nats per token.`);
  return data;
}

/** A model that is compared with the current one, or merged with it, has to mean the same tokens. */
export async function refuseOtherVocabularyOf(
  { tokenizerFolder }: Pick<ImportedModel, "tokenizerFolder">,
  name: string,
  tokenizer: Tokenizer | undefined,
): Promise<void> {
  if (tokenizer === undefined || tokenizerFolder === undefined) return;
  refuseOtherVocabulary(tokenizer, await openTokenizer(tokenizerFolder, "."), name);
}

/** A curve must not continue on another text. */
function refuseOtherData({ folder, resumed }: RunContext, dataHash: string | undefined): void {
  const before = folder.record.dataHash;
  if (!resumed || before === undefined || before === dataHash) return;
  throw new WorkbenchError(
    "invalid-input",
    `${folder.id} began with other data: a file or the tokenizer has changed since. Restore it to resume, or start a new run.`,
  );
}

function joinTitles(dataSets: readonly DataSet[]): string {
  return [...new Set(dataSets.map(({ title }) => title))].join("; ");
}

function hashDataSets(dataSets: readonly DataSet[]): string | undefined {
  if (dataSets.length < 2) return dataSets[0]?.hash;
  return createHash("sha256")
    .update(dataSets.map(({ hash }) => hash).join("\n"))
    .digest("hex");
}

/** A model has one vocabulary, whatever it is trained on. */
function refuseOtherTokenizer([first, ...others]: readonly DataSet[]): void {
  for (const { tokenizer } of others)
    if (tokenizer.hash !== first!.tokenizer.hash)
      throw new WorkbenchError(
        "invalid-input",
        `The data of a train cell uses another tokenizer (${tokenizer.id}) than the experiment's (${first!.tokenizer.id}). Use one for both, such as bytes or a tokenizer.json; the tokenizer \`characters\` differs with each text.`,
      );
}

async function openRunTokenizer(
  context: RunContext,
  data: DataSet | undefined,
  base: ImportedModel | undefined,
): Promise<Tokenizer | undefined> {
  const folder = base?.tokenizerFolder;
  const ownTokenizer = folder === undefined ? undefined : await openTokenizer(folder, ".");
  const tokenizer = data?.tokenizer ?? ownTokenizer;
  if (tokenizer === undefined) return undefined;
  if (ownTokenizer !== undefined && ownTokenizer.hash !== tokenizer.hash)
    context.notice(
      `The base model has its own tokenizer (${ownTokenizer.id}), but the data uses another (${tokenizer.id}). If this is not intended, write data.tokenizer: ${JSON.stringify(folder)}.`,
    );
  // Next to the checkpoints, so that readers of the model can also decode its output.
  mkdirSync(context.folder.inside("tokenizer"), { recursive: true });
  for (const [name, content] of Object.entries(tokenizer.files))
    context.folder.write(`tokenizer/${name}`, content);
  return tokenizer;
}

function hashModels(models: ReadonlyMap<string, ImportedModel>): string | undefined {
  return models.size === 0 ? undefined : [...models.values()].map(hashModel).join(" ");
}

/** Of the shape and all weights. */
export function hashModel({ shape, tensors }: Pick<ImportedModel, "shape" | "tensors">): string {
  const hash = createHash("sha256").update(toCanonicalJson(shape));
  for (const [name, { data, shape: size }] of tensors)
    hash
      .update(`${name} ${size.join()}\n`)
      .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest("hex");
}

function addTokens(
  context: RunContext,
  { shape, tensors }: ImportedModel,
  vocabulary: number,
): Pick<ImportedModel, "shape" | "tensors"> {
  const larger = resizeShape(shape, vocabulary);
  if (larger === shape) return { shape, tensors };
  const rows = dimensionsOf(shape).vocabulary;
  context.log(`The embeddings of the base model were resized from ${rows} to ${vocabulary} rows.`);
  return { shape: larger, tensors: resizeTensors(shape, larger, tensors, context.plan.seed) };
}

function createFirstWorkpiece(
  plan: RunPlan,
  data: DataSet | undefined,
  all: readonly DataSet[],
  base: Pick<ImportedModel, "shape" | "tensors"> | undefined,
): Workpiece {
  const shape = base?.shape ?? createPlanShape(plan, data?.tokenizer.vocabSize);
  for (const each of all) refuseMismatch(shape, each.train.layout.sequenceLength, each);
  return { shape, tensors: base?.tensors ?? initialize(shape, plan.seed), step: 0, tokens: 0 };
}

/** The model of a plan, with the tokenizer's vocabulary size unless the plan specifies one. */
export function createPlanShape({ experiment, model }: RunPlan, vocabSize: number | undefined): ModelShape {
  if (model === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `${experiment} has neither a model nor a base_model. Add a model cell.`,
    );
  return createShape(vocabSize === undefined ? model : completeConfig(model, vocabSize));
}
