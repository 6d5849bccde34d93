/** Reads a model whole, and checks every number of it: for whoever trains, measures or writes it. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import type { BaseModel, BaseModelOptions } from "../../schema/baseModel";
import { openCodedTensors, readCodedTensors } from "../coding/codedTensors";
import type { DownloadContext } from "../data/download";
import { type ModelShape, parametersOf } from "../models/model";
import type { TensorData } from "../representations/representation";
import { readCheckpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { readGenerationConfig } from "./generationConfig";
import { fetchModel, type FetchContext } from "./hub/fetchModel";
import { hubIdOf } from "./hub/hubId";
import type { ImportedModel } from "./importedModel";
import { locateModel, type Source } from "./locateModel";
import { openSource, type ReadOptions, refuseOptions, shapeOf } from "./openModel";
import type { Which } from "./runFolder";

export interface ImportOptions extends Partial<DownloadContext> {
  /** Which checkpoint of a run; the last when left out. */
  readonly which?: Which;
  /** What a path is relative to; the current folder when left out. */
  readonly baseFolder?: string;
}

/** `model` names a path, or an id of the hub where nothing of that name lies there; then the model is downloaded first. */
export async function importModel(model: BaseModel, options: ImportOptions = {}): Promise<ImportedModel> {
  const { id, ...reading } = withOptions(model);
  const path = await folderOf(id, options, { wanted: "everything", network: true, config: reading.config });
  const source = locateModel(path, options.which ?? "last");
  refuseOptions(source, reading);
  const read = source.kind === "checkpoint" ? readOwn(source.path) : readForeign(source, reading);
  const generationConfig = source.kind === "huggingFace" ? readGenerationConfig(source.path) : undefined;
  return { ...read, ...source.belongings, ...(generationConfig === undefined ? {} : { generationConfig }) };
}

function withOptions(model: BaseModel): BaseModelOptions {
  return typeof model === "string" ? { id: model } : model;
}

/** The model without its weights, from what is there already. */
export async function importShape(model: BaseModel, baseFolder: string): Promise<ModelShape> {
  const { id, ...reading } = withOptions(model);
  const asked = { wanted: "outline", network: false, config: reading.config } as const;
  const path = await folderOf(id, { baseFolder }, asked);
  return shapeOf(locateModel(path, "last"), reading);
}

/** What can be known about a model of the hub without its weights; everything about one that lies here. */
export async function importOutline(
  model: BaseModel,
  options: ImportOptions,
): Promise<Pick<ImportedModel, "shape" | "tokenizerFolder">> {
  const { id, ...reading } = withOptions(model);
  if (hubIdOf(id, options.baseFolder ?? ".") === undefined) return importModel(model, options);
  const path = await folderOf(id, options, { wanted: "outline", network: true, config: reading.config });
  const source = locateModel(path, "last");
  return { shape: shapeOf(source, reading), ...source.belongings };
}

async function folderOf(
  name: string,
  { baseFolder = ".", signal, progress = () => undefined }: ImportOptions,
  asked: Pick<FetchContext, "wanted" | "network" | "config">,
): Promise<string> {
  const id = hubIdOf(name, baseFolder);
  return id === undefined ? resolve(baseFolder, name) : fetchModel(id, { ...asked, signal, progress });
}

function readOwn(folder: string): ImportedModel {
  const { shape, tensors } = readCheckpoint(folder, readCodedTensors);
  const path = join(folder, "model.safetensors");
  using file = openCodedTensors(path);
  const sizes = new Map([...file.shapes.keys()].map((name) => [name, file.tensorBytes(name)]));
  const written = { bytes: statSync(path).size, tensorBytes: (name: string) => sizes.get(name) ?? 0 };
  return { shape, tensors, source: folder, file: written };
}

/** One tensor after the other, each read once. */
function readForeign(from: Source, reading: ReadOptions): ImportedModel {
  using model = openSource(from, reading);
  const { shape, source, written } = model;
  model.checkTied();
  const tensors = new Map<string, HostTensor>();
  for (const { name, shape: size } of parametersOf(shape)) {
    const data = model.read(name);
    refuseNonFinite(source, name, data);
    tensors.set(name, { shape: size, data });
  }
  return {
    shape,
    tensors,
    source,
    file: written,
    fileTensors: model.fileTensors ?? [],
    notices: model.notices,
  };
}

function refuseNonFinite(source: string, name: string, data: TensorData): void {
  const at = data.findIndex((each) => !Number.isFinite(each));
  if (at < 0) return;
  throw new WorkbenchError(
    "corrupt",
    `${source}: element ${at} of ${name} is ${data[at]}, and a model with such a weight computes nothing. ` +
      "It was damaged or its training diverged: use another copy, or an earlier checkpoint.",
  );
}
