/** What the actions of a run work with: the engine, the data, and the workpiece, which is the model as it stands. */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import type { BaseModel } from "../../../schema/baseModel";
import { dataSchema, type DeviceName } from "../../../schema/experiment";
import type { RunPlan } from "../../../protocol/run";
import { defaultCacheFolder } from "../../data/cacheFolder";
import { type DataSet, openData } from "../../data/dataSet";
import type { DownloadContext } from "../../data/download";
import { dataLines } from "../../data/summaryText";
import { openTokenizer } from "../../data/tokenizers/openTokenizer";
import type { Tokenizer } from "../../data/tokenizers/tokenizer";
import type { Engine } from "../../engine/engine";
import { openEngine } from "../../engine/onnxRuntime";
import { canonicalJson } from "../../experiment/stepKey";
import type { ImportedModel } from "../../imports/importedModel";
import { importModel } from "../../imports/importModel";
import { initialise } from "../../models/initialise";
import { completeConfig, type ModelShape, shapeFromConfig } from "../../models/model";
import type { HostTensors } from "../../checkpoints/safetensors";
import { refuseMismatch } from "../planning/modelFit";
import type { RunContext } from "./runContext";
import { dataOptionsAt, stepsWithData, withBaseTokenizer } from "./stepData";
import { readTeachers, Teachers } from "./teachers";

export interface Workpiece {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  /** Optimizer steps of the run so far, over all its actions. */
  readonly step: number;
  /** Tokens whose loss these steps have counted. */
  readonly tokens: number;
  /** Folder of the checkpoint that holds exactly this model, where one was written. */
  readonly checkpoint?: string | undefined;
}

export interface Workshop extends AsyncDisposable {
  readonly context: RunContext;
  readonly engine: Engine;
  /** The experiment's; what an action works on is in `stepData`. */
  readonly data: DataSet | undefined;
  /** By the index of the step. */
  readonly stepData: readonly (DataSet | undefined)[];
  /** Of all data that any step reads. */
  readonly dataHash: string | undefined;
  /** That of the data, else the base model's own. */
  readonly tokenizer: Tokenizer | undefined;
  readonly baseModelHash: string | undefined;
  readonly teachers: Teachers<Pick<Workpiece, "shape" | "tensors">>;
  readonly teachersHash: string | undefined;
  readonly first: Workpiece;
}

export async function openWorkshop(context: RunContext): Promise<Workshop> {
  const opened: DataSet[] = [];
  const open = async (options: NonNullable<RunPlan["data"]>): Promise<DataSet> => {
    const found = await readData(context, options);
    opened.push(found);
    return found;
  };
  try {
    const { baseModel } = context.plan;
    const base = baseModel === undefined ? undefined : await importOf(context, baseModel);
    const plan = withBaseTokenizer(context.plan, base?.tokenizerFolder);
    if (plan !== context.plan)
      context.log(`The data is read with the tokenizer of the base model (${base!.tokenizerFolder}).`);
    const data = plan.data === undefined ? undefined : await open(plan.data);
    const own = new Map<number, DataSet>();
    for (const index of stepsWithData(plan)) own.set(index, await open(dataOptionsAt(plan, index)!));
    const stepData = plan.steps.map(({ index }) =>
      [...own].reduce((current, [from, each]) => (from <= index ? each : current), data),
    );
    const dataHash = hashOfAll(opened);
    refuseOtherData(context, dataHash);
    refuseOtherTokenizer(opened);
    const named = await readTeachers(plan, (name) => importOf(context, name));
    const tokenizer = await tokenizerOf(context, data, base);
    const first = firstWorkpiece(plan, data, opened, base);
    const engine = await openEngine(plan.device as DeviceName);
    const { name, description, reason, notices } = engine.device;
    context.log(`Device ${name} (${description}): ${reason}.`);
    for (const notice of notices) context.notice(notice);
    const { floor } = data ?? {};
    context.describe({
      device: { name, description, reason },
      ...(dataHash === undefined ? {} : { dataHash }),
      ...(floor === undefined ? {} : { floor }),
    });
    return {
      context,
      engine,
      data,
      stepData,
      dataHash,
      tokenizer,
      baseModelHash: base && hashOfModel(base),
      teachers: new Teachers<Pick<Workpiece, "shape" | "tensors">>(plan, first, named),
      teachersHash: named.size === 0 ? undefined : [...named.values()].map(hashOfModel).join(" "),
      first,
      async [Symbol.asyncDispose]() {
        await engine[Symbol.asyncDispose]();
        for (const each of opened) each[Symbol.dispose]();
      },
    };
  } catch (thrown) {
    for (const each of opened) each[Symbol.dispose]();
    throw thrown;
  }
}

/** Paths of a plan are relative to the experiment's folder, which is relative to the workspace. */
export function experimentFolder({ plan, workspace }: Pick<RunContext, "plan" | "workspace">): string {
  return resolve(workspace, plan.folder);
}

/** Stops with the run, and shows in its record how far it is. */
function downloadOf(context: RunContext): DownloadContext & { readonly signal: AbortSignal } {
  const percent = (done: number, total: number) => (total === 0 ? 0 : Math.floor((100 * done) / total));
  return {
    signal: context.signal,
    progress: (done, total, what) =>
      context.progress({ step: context.control.step, steps: 0, action: `${what} ${percent(done, total)} %` }),
  };
}

async function importOf(context: RunContext, name: BaseModel): Promise<ImportedModel> {
  const model = await importModel(name, { baseFolder: experimentFolder(context), ...downloadOf(context) });
  for (const notice of model.notices ?? []) context.log(notice);
  return model;
}

async function readData(context: RunContext, options: NonNullable<RunPlan["data"]>): Promise<DataSet> {
  const data = await openData(dataSchema.parse(options), {
    baseFolder: experimentFolder(context),
    cacheFolder: defaultCacheFolder(),
    ...downloadOf(context),
  });
  for (const line of dataLines(data.summary)) context.log(line);
  for (const notice of data.notices) context.notice(notice);
  if (data.floor !== undefined)
    context.log(`The text's entropy rate is ${data.floor.toFixed(4)} nats a token.`);
  return data;
}

/** Half a curve on one text and half on another is no curve. */
function refuseOtherData({ folder, resumed }: RunContext, dataHash: string | undefined): void {
  const before = folder.record.dataHash;
  if (!resumed || before === undefined || before === dataHash) return;
  throw new WorkbenchError(
    "invalid-input",
    `${folder.id} began with other data: a file or the tokenizer has changed since. Put it back to resume, or start a new run.`,
  );
}

function hashOfAll(opened: readonly DataSet[]): string | undefined {
  if (opened.length < 2) return opened[0]?.hash;
  return createHash("sha256")
    .update(opened.map(({ hash }) => hash).join("\n"))
    .digest("hex");
}

/** A model has one vocabulary, whatever it is trained on. */
function refuseOtherTokenizer([first, ...others]: readonly DataSet[]): void {
  for (const { tokenizer } of others)
    if (tokenizer.hash !== first!.tokenizer.hash)
      throw new WorkbenchError(
        "invalid-input",
        `The data of a train cell is read with another tokenizer (${tokenizer.id}) than the experiment's (${first!.tokenizer.id}). Use one for all, such as bytes or a tokenizer.json; characters are those of each text.`,
      );
}

async function tokenizerOf(
  context: RunContext,
  data: DataSet | undefined,
  base: ImportedModel | undefined,
): Promise<Tokenizer | undefined> {
  const folder = base?.tokenizerFolder;
  const own = folder === undefined ? undefined : await openTokenizer(folder, ".");
  const tokenizer = data?.tokenizer ?? own;
  if (tokenizer === undefined) return undefined;
  if (own !== undefined && own.hash !== tokenizer.hash)
    context.notice(
      `The base model has a tokenizer of its own (${own.id}), and the data is read with another (${tokenizer.id}). If that is not meant, write data.tokenizer: ${JSON.stringify(folder)}.`,
    );
  // Beside the checkpoints, so that whoever reads the model can also read what it writes.
  mkdirSync(context.folder.inside("tokenizer"), { recursive: true });
  for (const [name, content] of Object.entries(tokenizer.files))
    context.folder.write(`tokenizer/${name}`, content);
  return tokenizer;
}

function hashOfModel({ shape, tensors }: ImportedModel): string {
  const hash = createHash("sha256").update(canonicalJson(shape));
  for (const [name, { data, shape: size }] of tensors)
    hash
      .update(`${name} ${size.join()}\n`)
      .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest("hex");
}

function firstWorkpiece(
  plan: RunPlan,
  data: DataSet | undefined,
  all: readonly DataSet[],
  base: ImportedModel | undefined,
): Workpiece {
  const shape = base?.shape ?? shapeOfPlan(plan, data?.tokenizer.vocabSize);
  for (const each of all) refuseMismatch(shape, each.train.layout.sequenceLength, each);
  return { shape, tensors: base?.tensors ?? initialise(shape, plan.seed), step: 0, tokens: 0 };
}

/** The model that a plan describes, its vocabulary taken from the tokenizer unless it is written. */
export function shapeOfPlan({ experiment, model }: RunPlan, vocabSize: number | undefined): ModelShape {
  if (model === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `${experiment} has neither a model nor a base_model. Add a model cell.`,
    );
  return shapeFromConfig(vocabSize === undefined ? model : completeConfig(model, vocabSize));
}
