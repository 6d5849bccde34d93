/**
 * Opens a model on disk. Tensors are read on demand, so that viewing one matrix of a large file is cheap. Opening checks only
 * names, shapes and sizes; `importModel` reads all tensors through this module and checks their values.
 */
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { BaseModelOptions } from "../../schema/baseModel";
import type { RepresentationChoices } from "../models/family";
import { readLlama2c } from "../models/llama2c";
import { type ModelShape, withRepresentations } from "../models/model";
import { refuseLfsPointer } from "../data/lfsPointer";
import { type ModelFolder, readModelFolder, readShape, findWeightFiles } from "./huggingFaceFolder";
import { readJson } from "./jsonFile";
import { locateModel, type Source } from "./locateModel";
import type { CheckpointChoice } from "./runFolder";
import type { OpenedModel } from "./openedModel";
import { openGgufModel, readGgufShape } from "./openGgufModel";
import { bindFiles } from "./tensorFiles";

export function openModel(path: string, which: CheckpointChoice = "last"): OpenedModel {
  return openSource(locateModel(path, which));
}

/** Options for Hugging Face folders that do not quite match their configuration. */
export type ReadOptions = Omit<BaseModelOptions, "id" | "resize_embeddings" | "adapter">;

export function openSource(
  { kind, path: source, companions }: Source,
  options: ReadOptions = {},
): OpenedModel {
  refuseOptions({ kind, path: source }, options);
  const shared = { source, run: companions.run };
  if (kind === "llama2c") return { ...shared, ...openLlama2c(source) };
  if (kind === "gguf") return { ...shared, ...openGgufModel(source) };
  const { shape, notices, layout }: ModelFolder =
    kind === "checkpoint"
      ? { shape: readOwnShape(source), notices: [] }
      : readModelFolder(source, options.config);
  const weights =
    kind === "checkpoint" ? { files: [join(source, "model.safetensors")] } : findWeightFiles(source);
  const bound = bindFiles(shape, source, weights, {
    ...(layout === undefined ? {} : { layout }),
    isOwn: kind === "checkpoint",
    ...(options.ignore_extra_tensors === undefined ? {} : { ignoreExtra: options.ignore_extra_tensors }),
    ...(options.strip_prefix === undefined ? {} : { stripPrefix: options.strip_prefix }),
  });
  return { ...shared, ...bound, shape, files: weights.files, notices: [...notices, ...bound.notices] };
}

/** Reads the model of a source without its weights. */
export function readSourceShape({ kind, path }: Source, options: ReadOptions = {}): ModelShape {
  refuseOptions({ kind, path }, options);
  if (kind === "checkpoint") return readOwnShape(path);
  if (kind === "gguf") return readGgufShape(path);
  return kind === "huggingFace" ? readModelFolder(path, options.config).shape : readLlama2cFile(path).shape;
}

export function refuseOptions({ kind, path }: Pick<Source, "kind" | "path">, options: ReadOptions): void {
  const [key] = Object.entries(options).find(([, value]) => value !== undefined) ?? [];
  if (kind === "huggingFace" || key === undefined) return;
  throw new WorkbenchError(
    "invalid-input",
    `${path} is a ${kindNames[kind]}, but base_model.${key} applies only to Hugging Face folders. Remove ${key}.`,
  );
}

const kindNames = { checkpoint: "checkpoint of Lathe", llama2c: "llama2.c file", gguf: "GGUF file" } as const;

const choicesSchema = z.object({
  representations: z.record(
    z.string(),
    z.object({ type: z.string(), options: z.record(z.string(), z.unknown()) }),
  ),
});

/** Reads the model of a checkpoint without its weights. */
function readOwnShape(folder: string): ModelShape {
  const choices: RepresentationChoices = readJson(
    join(folder, "manifest.json"),
    choicesSchema,
  ).representations;
  return withRepresentations({ ...readShape(folder), representations: {} }, choices);
}

function readLlama2cFile(path: string): ReturnType<typeof readLlama2c> {
  refuseLfsPointer(path);
  const { size } = statSync(path);
  return readLlama2c({ bytes: size, read: (bytes) => readBeginning(path, bytes, size) }, path);
}

function readBeginning(path: string, bytes: number, size: number): Uint8Array {
  if (bytes === size) return readFileSync(path);
  const file = openSync(path, "r");
  try {
    const start = Buffer.alloc(bytes);
    readSync(file, start);
    return start;
  } finally {
    closeSync(file);
  }
}

/** Reads the whole file: the format does not name its tensors, and its models are small. */
function openLlama2c(path: string): Omit<OpenedModel, "source" | "run"> {
  const { shape, tensors } = readLlama2cFile(path);
  const data = (name: string) => tensors.get(name)?.data;
  return {
    shape,
    files: [path],
    notices: [],
    written: { bytes: statSync(path).size, tensorBytes: (name) => data(name)?.byteLength ?? 0 },
    read: (name, from, to) => data(name)!.slice(from, to),
    checkTied: () => undefined, // The format stores a tied head once.
    [Symbol.dispose]: () => undefined,
  };
}
