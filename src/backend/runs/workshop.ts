/** What the actions of a run work with: the engine, the data, and the workpiece, which is the model as it stands. */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import { dataSchema, type DeviceName } from "../../protocol/experiment";
import type { RunPlan } from "../../protocol/run";
import { defaultCacheFolder } from "../data/cacheFolder";
import { type DataSet, openData } from "../data/dataSet";
import type { DownloadContext } from "../data/download";
import { dataLines } from "../data/summaryText";
import { openTokenizer } from "../data/tokenizers/openTokenizer";
import type { Tokenizer } from "../data/tokenizers/tokenizer";
import type { Engine } from "../engine/engine";
import { openEngine } from "../engine/onnxRuntime";
import { canonicalJson } from "../experiment/stepKey";
import type { ImportedModel } from "../imports/importedModel";
import { importModel } from "../imports/importModel";
import { initialise } from "../models/initialise";
import { completeConfig, type ModelShape, shapeFromConfig } from "../models/model";
import type { HostTensors } from "../training/safetensors";
import { refuseMismatch } from "./modelFit";
import type { RunContext } from "./runContext";

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
  readonly data: DataSet | undefined;
  /** That of the data, else the base model's own. */
  readonly tokenizer: Tokenizer | undefined;
  readonly baseModelHash: string | undefined;
  readonly first: Workpiece;
}

export async function openWorkshop(context: RunContext): Promise<Workshop> {
  const { plan } = context;
  const data = plan.data === undefined ? undefined : await readData(context, plan.data);
  try {
    refuseOtherData(context, data);
    const base =
      plan.baseModel === undefined
        ? undefined
        : await importModel(plan.baseModel, {
            baseFolder: experimentFolder(context),
            ...downloadOf(context),
          });
    const tokenizer = await tokenizerOf(context, data, base);
    const first = firstWorkpiece(plan, data, base);
    const engine = await openEngine(plan.device as DeviceName);
    const { name, description, reason, notices } = engine.device;
    context.log(`Device ${name} (${description}): ${reason}.`);
    for (const notice of notices) context.notice(notice);
    const { hash, floor } = data ?? {};
    context.describe({
      device: { name, description, reason },
      ...(hash === undefined ? {} : { dataHash: hash }),
      ...(floor === undefined ? {} : { floor }),
    });
    return {
      context,
      engine,
      data,
      tokenizer,
      baseModelHash: base && hashOfModel(base),
      first,
      async [Symbol.asyncDispose]() {
        await engine[Symbol.asyncDispose]();
        data?.[Symbol.dispose]();
      },
    };
  } catch (thrown) {
    data?.[Symbol.dispose]();
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
function refuseOtherData({ folder, resumed }: RunContext, data: DataSet | undefined): void {
  const before = folder.record.dataHash;
  if (!resumed || before === undefined || before === data?.hash) return;
  throw new WorkbenchError(
    "invalid-input",
    `${folder.id} began with other data: a file or the tokenizer has changed since. Put it back to resume, or start a new run.`,
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
  base: ImportedModel | undefined,
): Workpiece {
  const sizes = data && {
    sequenceLength: data.train.layout.sequenceLength,
    vocabSize: data.tokenizer.vocabSize,
  };
  const shape = base?.shape ?? shapeOfPlan(plan, data?.tokenizer.vocabSize);
  if (sizes !== undefined) refuseMismatch(shape, sizes);
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
