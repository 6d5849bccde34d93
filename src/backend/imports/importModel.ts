/** Finds out what a path to a model is, and reads it: a run folder, a checkpoint, a Hugging Face folder, a llama2.c file. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { RepresentationChoices } from "../models/family";
import { readLlama2c } from "../models/llama2c";
import { type ModelShape, withRepresentations } from "../models/model";
import { readCheckpoint } from "../training/checkpoint";
import { readTensorSizes } from "../training/safetensors";
import { readHuggingFaceFolder, readShape } from "./huggingFaceFolder";
import type { ImportedModel } from "./importedModel";
import { readJson } from "./jsonFile";
import { checkpointOf, type Which } from "./runFolder";

export interface ImportOptions {
  /** Which checkpoint of a run; the last when left out. */
  readonly which?: Which;
}

export async function importModel(
  path: string,
  { which = "last" }: ImportOptions = {},
): Promise<ImportedModel> {
  const source = locate(resolve(path), which);
  switch (source.kind) {
    case "checkpoint":
      return { ...readOwn(source.path), ...source.belongings };
    case "huggingFace":
      return { ...readHuggingFaceFolder(source.path), ...source.belongings };
    case "llama2c":
      return { ...readLlama2cFile(source.path), ...source.belongings };
  }
}

/** The model without its weights; `path` is relative to `baseFolder`. */
export async function importShape(path: string, baseFolder: string): Promise<ModelShape> {
  const source = locate(resolve(baseFolder, path), "last");
  switch (source.kind) {
    case "checkpoint":
      return readOwnShape(source.path);
    case "huggingFace":
      return readShape(source.path);
    case "llama2c":
      return readLlama2cFile(source.path).shape;
  }
}

export interface Source {
  readonly kind: "checkpoint" | "huggingFace" | "llama2c";
  readonly path: string;
  readonly belongings: Pick<ImportedModel, "run" | "tokenizerFolder">;
}

const kinds =
  "a run folder, a checkpoint folder, a Hugging Face folder (config.json and model.safetensors), or a llama2.c .bin file";

/** What a path to a model stands for, by what lies there. */
export function locate(path: string, which: Which): Source {
  if (!existsSync(path))
    throw new WorkbenchError(
      "not-found",
      `There is no model at ${path}. Name ${kinds}. Models of the Hugging Face hub are not fetched: download the folder first.`,
    );
  if (!statSync(path).isDirectory()) {
    if (path.endsWith(".bin")) return { kind: "llama2c", path, belongings: tokenizerIn(dirname(path)) };
    throw new WorkbenchError(
      "invalid-input",
      `${path} is a file of no kind that is read here. Name ${kinds}.`,
    );
  }
  const has = (name: string) => existsSync(join(path, name));
  if (has("run.json"))
    return {
      kind: "checkpoint",
      path: checkpointOf(path, which),
      belongings: { run: path, ...tokenizerIn(join(path, "tokenizer")) },
    };
  if (has("manifest.json"))
    return { kind: "checkpoint", path, belongings: { ...runAround(path), ...tokenizerIn(path) } };
  if (has("config.json")) return { kind: "huggingFace", path, belongings: tokenizerIn(path) };
  throw new WorkbenchError("invalid-input", `${path} holds no model. Name ${kinds}.`);
}

function readOwn(folder: string): ImportedModel {
  const { shape, tensors } = readCheckpoint(folder);
  const path = join(folder, "model.safetensors");
  const sizes = readTensorSizes(path);
  const file = { bytes: statSync(path).size, tensorBytes: (name: string) => sizes.get(name) ?? 0 };
  return { shape, tensors, source: folder, file };
}

const choicesSchema = z.object({
  representations: z.record(
    z.string(),
    z.object({ type: z.string(), options: z.record(z.string(), z.unknown()) }),
  ),
});

/** The model of a checkpoint without its weights. */
export function readOwnShape(folder: string): ModelShape {
  const choices: RepresentationChoices = readJson(
    join(folder, "manifest.json"),
    choicesSchema,
  ).representations;
  return withRepresentations({ ...readShape(folder), representations: {} }, choices);
}

export function readLlama2cFile(path: string): ImportedModel {
  const { shape, tensors } = readLlama2c(readFileSync(path), path);
  const tensorBytes = (name: string) => tensors.get(name)?.data.byteLength ?? 0;
  return { shape, tensors, source: path, file: { bytes: statSync(path).size, tensorBytes } };
}

function tokenizerIn(folder: string): Pick<ImportedModel, "tokenizerFolder"> {
  const found = ["tokenizer.json", "tokenizer.bin"].some((name) => existsSync(join(folder, name)));
  return found ? { tokenizerFolder: folder } : {};
}

/** A checkpoint of a run lies two folders below it, in `checkpoints/`, or three, in `steps/<n>-compress/`. */
function runAround(checkpoint: string): Pick<ImportedModel, "run"> {
  const folders = [resolve(checkpoint, "..", ".."), resolve(checkpoint, "..", "..", "..")];
  const run = folders.find((folder) => existsSync(join(folder, "run.json")));
  return run === undefined ? {} : { run };
}
