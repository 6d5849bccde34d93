/** Reads a model whole, and checks every number of it: for whoever trains, measures or writes it. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import { openCodedTensors, readCodedTensors } from "../coding/codedTensors";
import type { DownloadContext } from "../data/download";
import { type ModelShape, parametersOf } from "../models/model";
import type { TensorData } from "../representations/representation";
import { readCheckpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { fetchModel, type FetchContext } from "./hub/fetchModel";
import { hubIdOf } from "./hub/hubId";
import type { ImportedModel } from "./importedModel";
import { locateModel, type Source } from "./locateModel";
import { openSource, shapeOf } from "./openModel";
import type { Which } from "./runFolder";

export interface ImportOptions extends Partial<DownloadContext> {
  /** Which checkpoint of a run; the last when left out. */
  readonly which?: Which;
  /** What a path is relative to; the current folder when left out. */
  readonly baseFolder?: string;
}

/** `name` is a path, or an id of the hub where nothing of that name lies there; then the model is downloaded first. */
export async function importModel(name: string, options: ImportOptions = {}): Promise<ImportedModel> {
  const path = await folderOf(name, options, { wanted: "everything", network: true });
  const source = locateModel(path, options.which ?? "last");
  const read = source.kind === "checkpoint" ? readOwn(source.path) : readForeign(source);
  return { ...read, ...source.belongings };
}

/** The model without its weights, from what is there already. */
export async function importShape(name: string, baseFolder: string): Promise<ModelShape> {
  const path = await folderOf(name, { baseFolder }, { wanted: "outline", network: false });
  return shapeOf(locateModel(path, "last"));
}

/** What can be known about a model of the hub without its weights; everything about one that lies here. */
export async function importOutline(
  name: string,
  options: ImportOptions,
): Promise<Pick<ImportedModel, "shape" | "tokenizerFolder">> {
  if (hubIdOf(name, options.baseFolder ?? ".") === undefined) return importModel(name, options);
  const path = await folderOf(name, options, { wanted: "outline", network: true });
  const source = locateModel(path, "last");
  return { shape: shapeOf(source), ...source.belongings };
}

async function folderOf(
  name: string,
  { baseFolder = ".", signal, progress = () => undefined }: ImportOptions,
  asked: Pick<FetchContext, "wanted" | "network">,
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
function readForeign(from: Source): ImportedModel {
  using model = openSource(from);
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
