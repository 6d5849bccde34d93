/** What the actions of a run work with: the engine, the data, and the workpiece, which is the model as it stands. */
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import { dataSchema, type DeviceName } from "../../protocol/experiment";
import type { RunPlan } from "../../protocol/run";
import { defaultCacheFolder } from "../data/cacheFolder";
import { type DataSet, openData } from "../data/dataSet";
import type { Engine } from "../engine/engine";
import { openEngine } from "../engine/onnxRuntime";
import { importModel } from "../imports/importModel";
import { initialise } from "../models/initialise";
import { completeConfig, dimensionsOf, type ModelShape, shapeFromConfig } from "../models/model";
import type { HostTensors } from "../training/safetensors";
import type { RunContext } from "./runContext";

export interface Workpiece {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  /** Optimizer steps of the run so far, over all its actions. */
  readonly step: number;
  /** Folder of the checkpoint that holds exactly this model, where one was written. */
  readonly checkpoint?: string | undefined;
}

export interface Workshop extends AsyncDisposable {
  readonly context: RunContext;
  readonly engine: Engine;
  readonly data: DataSet | undefined;
  readonly first: Workpiece;
}

export async function openWorkshop(context: RunContext): Promise<Workshop> {
  const { plan } = context;
  const data = plan.data === undefined ? undefined : await readData(context, plan.data);
  try {
    const first = await firstWorkpiece(context, data);
    const engine = await openEngine(plan.device as DeviceName);
    const { name, description, reason, notices } = engine.device;
    context.log(`Device ${name} (${description}): ${reason}.`);
    for (const notice of notices) context.notice(notice);
    context.describe({ device: { name, description, reason }, ...(data && { dataHash: data.hash }) });
    return {
      context,
      engine,
      data,
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

async function readData(context: RunContext, options: NonNullable<RunPlan["data"]>): Promise<DataSet> {
  const percent = (done: number, total: number) => (total === 0 ? 0 : Math.floor((100 * done) / total));
  const data = await openData(dataSchema.parse(options), {
    baseFolder: experimentFolder(context),
    cacheFolder: defaultCacheFolder(),
    signal: context.signal,
    progress: (done, total, what) =>
      context.progress({ step: context.control.step, steps: 0, action: `${what} ${percent(done, total)} %` }),
  });
  // Beside the checkpoints, so that whoever reads the model can also read what it writes.
  mkdirSync(context.folder.inside("tokenizer"), { recursive: true });
  for (const [name, content] of Object.entries(data.tokenizer.files))
    context.folder.write(`tokenizer/${name}`, content);
  const { train, validation } = data.summary;
  const held = validation === undefined ? "none held back" : `${validation.tokens} held back for validation`;
  context.log(`Data: ${train.tokens} tokens in ${train.sequences} sequences to train on, ${held}.`);
  for (const notice of data.notices) context.notice(notice);
  if (data.floor !== undefined)
    context.log(`The text's entropy rate is ${data.floor.toFixed(4)} nats a token.`);
  return data;
}

async function firstWorkpiece(context: RunContext, data: DataSet | undefined): Promise<Workpiece> {
  const { plan } = context;
  if (plan.baseModel !== undefined) {
    const { shape, tensors } = await importModel(resolve(experimentFolder(context), plan.baseModel));
    refuseMismatch(shape, data);
    return { shape, tensors, step: 0 };
  }
  if (plan.model === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `${plan.experiment} has neither a model nor a base_model. Add a model cell.`,
    );
  const shape = shapeFromConfig(
    data === undefined ? plan.model : completeConfig(plan.model, data.tokenizer.vocabSize),
  );
  refuseMismatch(shape, data);
  return { shape, tensors: initialise(shape, plan.seed), step: 0 };
}

/** Longer sequences than positions, or more tokens than rows of the embedding, would read outside a table. */
function refuseMismatch(shape: ModelShape, data: DataSet | undefined): void {
  if (data === undefined) return;
  const { context, vocabulary } = dimensionsOf(shape);
  const length = data.train.layout.sequenceLength;
  if (length > context)
    throw new WorkbenchError(
      "invalid-input",
      `data.sequence_len is ${length}, but the model has only ${context} positions. Lower sequence_len or raise the model's.`,
    );
  if (data.tokenizer.vocabSize > vocabulary)
    throw new WorkbenchError(
      "invalid-input",
      `The tokenizer has ${data.tokenizer.vocabSize} tokens, but the model knows only ${vocabulary}. Use the tokenizer that belongs to the model.`,
    );
}
