/** Imports a whole model and checks every weight, for training, evaluation and export. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import type { BaseModel, BaseModelOptions } from "../../schema/baseModel";
import { openCodedTensors, readCodedTensors } from "../coding/codedTensors";
import type { DownloadContext } from "../data/download";
import { type ModelShape, parametersOf } from "../models/model";
import { readCheckpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { openAdapter } from "./adapter";
import { readGenerationConfig } from "./generationConfig";
import { fetchModel, type FetchContext } from "./hub/fetchModel";
import { parseHubId } from "./hub/hubId";
import type { ImportedModel } from "./importedModel";
import { locateModel, type Source } from "./locateModel";
import { namedModels } from "./named/catalog";
import { fetchNamedModel, type NamedModel } from "./namedModel";
import { openSource, type ReadOptions, refuseOptions, readSourceShape } from "./openModel";
import type { CheckpointChoice } from "./runFolder";

export interface ImportOptions extends Partial<DownloadContext> {
  /** Which checkpoint of a run; by default, the last. */
  readonly which?: CheckpointChoice;
  /** The folder that paths are relative to; by default, the current folder. */
  readonly baseFolder?: string;
}

/** `model` is a path, or a hub id if no such path exists. A model of the hub is downloaded first. */
export async function importModel(model: BaseModel, options: ImportOptions = {}): Promise<ImportedModel> {
  const { id, adapter, ...reading } = toReadOptions(model);
  const path = await resolveModelFolder(id, options, {
    wanted: "everything",
    network: true,
    config: reading.config,
  });
  const source = locateModel(path, options.which ?? "last");
  refuseOptions(source, reading);
  const read =
    source.kind === "checkpoint" ? readOwnCheckpoint(source.path) : readForeignModel(source, reading);
  const generationConfig = source.kind === "huggingFace" ? readGenerationConfig(source.path) : undefined;
  return {
    ...(adapter === undefined ? read : addAdapter(read, resolve(options.baseFolder ?? ".", adapter))),
    ...source.companions,
    ...(generationConfig === undefined ? {} : { generationConfig }),
  };
}

function addAdapter(model: ImportedModel, folder: string): ImportedModel {
  using adapter = openAdapter(folder, model.shape);
  const { file } = model;
  return {
    ...model,
    shape: adapter.shape,
    tensors: new Map([...model.tensors, ...adapter.read()]),
    ...(file === undefined
      ? {}
      : {
          file: {
            bytes: file.bytes + adapter.bytes,
            tensorBytes: (name: string) => adapter.tensorBytes(name) || file.tensorBytes(name),
          },
        }),
  };
}

/** The shape with the adapter of the options, of which only names and sizes are read. */
function addAdapterShape(shape: ModelShape, adapter: string | undefined, baseFolder: string): ModelShape {
  if (adapter === undefined) return shape;
  using opened = openAdapter(resolve(baseFolder, adapter), shape);
  return opened.shape;
}

function toReadOptions(model: BaseModel): Pick<BaseModelOptions, "id" | "adapter"> & ReadOptions {
  if (typeof model === "string") return { id: model };
  // The files are read as they are; the run resizes what was read.
  const { resize_embeddings: _resize, ...others } = model;
  return others;
}

type Outline = Pick<ImportedModel, "shape" | "tokenizerFolder">;

/** Reads a model without its weights, and without downloading anything. */
export async function importShape(model: BaseModel, baseFolder: string): Promise<ModelShape> {
  return (await importLocalOutline(model, baseFolder)).shape;
}

export async function importLocalOutline(model: BaseModel, baseFolder: string): Promise<Outline> {
  const { id, adapter, ...reading } = toReadOptions(model);
  const request = { wanted: "outline", network: false, config: reading.config } as const;
  const path = await resolveModelFolder(id, { baseFolder }, request);
  const source = locateModel(path, "last");
  const shape = addAdapterShape(readSourceShape(source, reading), adapter, baseFolder);
  return { shape, ...source.companions };
}

/** Reads a hub model without its weights. Imports a local model completely. */
export async function importOutline(model: BaseModel, options: ImportOptions): Promise<Outline> {
  const { id, adapter, ...reading } = toReadOptions(model);
  if (parseHubId(id, options.baseFolder ?? ".") === undefined) return importModel(model, options);
  const path = await resolveModelFolder(id, options, {
    wanted: "outline",
    network: true,
    config: reading.config,
  });
  const source = locateModel(path, "last");
  const shape = addAdapterShape(readSourceShape(source, reading), adapter, options.baseFolder ?? ".");
  return { shape, ...source.companions };
}

async function resolveModelFolder(
  name: string,
  { baseFolder = ".", signal, progress = () => undefined }: ImportOptions,
  request: Pick<FetchContext, "wanted" | "network" | "config">,
): Promise<string> {
  const named = findNamedModel(name, baseFolder);
  if (named !== undefined)
    return fetchNamedModel(name, named, { network: request.network, signal, progress });
  const id = parseHubId(name, baseFolder);
  return id === undefined ? resolve(baseFolder, name) : fetchModel(id, { ...request, signal, progress });
}

/** A file or folder of that name takes precedence. */
function findNamedModel(name: string, baseFolder: string): NamedModel | undefined {
  return Object.hasOwn(namedModels, name) && !existsSync(resolve(baseFolder, name))
    ? namedModels[name]
    : undefined;
}

function readOwnCheckpoint(folder: string): ImportedModel {
  const { shape, tensors } = readCheckpoint(folder, readCodedTensors);
  const path = join(folder, "model.safetensors");
  using file = openCodedTensors(path);
  const sizes = new Map([...file.shapes.keys()].map((name) => [name, file.tensorBytes(name)]));
  const written = { bytes: statSync(path).size, tensorBytes: (name: string) => sizes.get(name) ?? 0 };
  return { shape, tensors, source: folder, file: written };
}

/** Reads one tensor after the other. Large tensors of safetensors files are only checked, and read again when they are used. */
function readForeignModel(from: Source, reading: ReadOptions): ImportedModel {
  using model = openSource(from, reading);
  const { shape, source, written } = model;
  model.checkTied();
  const tensors = new Map<string, HostTensor>();
  for (const { name, shape: size } of parametersOf(shape)) {
    const tensor = model.getTensor?.(name) ?? { shape: size, data: model.read(name) };
    refuseNonFinite(source, name, tensor.data);
    tensors.set(name, tensor);
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

function refuseNonFinite(source: string, name: string, data: HostTensor["data"]): void {
  let at = 0;
  // A loop, since a call for each of a billion weights takes minutes.
  while (at < data.length && Number.isFinite(data[at])) at++;
  if (at === data.length) return;
  throw new WorkbenchError(
    "corrupt",
    `${source}: element ${at} of ${name} is ${data[at]}. ` +
      "The file is damaged or its training diverged. Use another copy or an earlier checkpoint.",
  );
}
