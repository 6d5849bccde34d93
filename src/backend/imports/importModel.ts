/** Reads a model whole, and checks every number of it: for whoever trains, measures or writes it. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import { type ModelShape, parametersOf } from "../models/model";
import type { TensorData } from "../representations/representation";
import { readCheckpoint } from "../training/checkpoint";
import { type HostTensor, readTensorSizes } from "../training/safetensors";
import type { ImportedModel } from "./importedModel";
import { locateModel, type Source } from "./locateModel";
import { openSource, shapeOf } from "./openModel";
import type { Which } from "./runFolder";

export interface ImportOptions {
  /** Which checkpoint of a run; the last when left out. */
  readonly which?: Which;
}

export async function importModel(
  path: string,
  { which = "last" }: ImportOptions = {},
): Promise<ImportedModel> {
  const source = locateModel(resolve(path), which);
  const read = source.kind === "checkpoint" ? readOwn(source.path) : readForeign(source);
  return { ...read, ...source.belongings };
}

/** The model without its weights; `path` is relative to `baseFolder`. */
export async function importShape(path: string, baseFolder: string): Promise<ModelShape> {
  return shapeOf(locateModel(resolve(baseFolder, path), "last"));
}

function readOwn(folder: string): ImportedModel {
  const { shape, tensors } = readCheckpoint(folder);
  const path = join(folder, "model.safetensors");
  const sizes = readTensorSizes(path);
  const file = { bytes: statSync(path).size, tensorBytes: (name: string) => sizes.get(name) ?? 0 };
  return { shape, tensors, source: folder, file };
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
  return { shape, tensors, source, file: written };
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
