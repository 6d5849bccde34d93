/** Determines the kind of model at a path: a run folder, a checkpoint, a Hugging Face folder, a llama2.c file or a GGUF file. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import { listTokenizerFiles } from "../data/tokenizers/openTokenizer";
import { describeAdapterUse } from "./adapterConfig";
import { hasVocabulary } from "./ggufFile";
import type { ImportedModel } from "./importedModel";
import { findCheckpoint, type CheckpointChoice } from "./runFolder";

export interface Source {
  readonly kind: "checkpoint" | "huggingFace" | "llama2c" | "gguf";
  readonly path: string;
  readonly companions: Pick<ImportedModel, "run" | "tokenizerFolder">;
}

const kinds =
  "a run folder, a checkpoint folder, a Hugging Face folder (config.json and model.safetensors), a llama2.c .bin file, a .gguf file, " +
  "a named model such as stories260k, or a model of the Hugging Face hub as owner/name";

/** Why other kinds of model files are not supported. */
const refusals: Readonly<Record<string, string>> = {
  ".safetensors": "contains weights without a configuration. Use the folder that also contains config.json.",
  ...Object.fromEntries(
    [".pt", ".pth", ".ckpt", ".pkl"].map((extension) => [
      extension,
      "is a pickle, which is not read because loading it can run code. Save the model as safetensors with transformers' save_pretrained().",
    ]),
  ),
  ".onnx":
    "is an ONNX file, which cannot be imported. Use the folder of the model that it was exported from.",
};

export function locateModel(path: string, which: CheckpointChoice): Source {
  if (!existsSync(path))
    throw new WorkbenchError("not-found", `There is no model at ${path}. Name ${kinds}.`);
  if (!statSync(path).isDirectory()) return createFileSource(path);
  const has = (name: string) => existsSync(join(path, name));
  if (has("run.json"))
    return {
      kind: "checkpoint",
      path: findCheckpoint(path, which),
      companions: { run: path, ...findTokenizer(join(path, "tokenizer")) },
    };
  if (has("manifest.json"))
    return { kind: "checkpoint", path, companions: { ...findEnclosingRun(path), ...findTokenizer(path) } };
  if (has("config.json")) return { kind: "huggingFace", path, companions: findTokenizer(path) };
  const files = readdirSync(path).filter((name) => extname(name) === ".gguf");
  if (files.length === 1) return createFileSource(join(path, files[0]!));
  if (files.length > 1)
    throw new WorkbenchError(
      "invalid-input",
      `${path} contains ${files.length} GGUF files. Name one of them: ${files.sort().join(", ")}.`,
    );
  throw new WorkbenchError(
    "invalid-input",
    `${path} holds no model${describeMissingConfig(path)}. Name ${kinds}.`,
  );
}

function createFileSource(path: string): Source {
  const extension = extname(path);
  // The tokenizer is in the file itself.
  if (extension === ".gguf")
    return { kind: "gguf", path, companions: hasVocabulary(path) ? { tokenizerFolder: path } : {} };
  if (extension === ".bin" && basename(path) !== "pytorch_model.bin")
    return { kind: "llama2c", path, companions: findTokenizer(dirname(path)) };
  const reason = extension === ".bin" ? refusals[".pt"] : refusals[extension];
  if (reason !== undefined) throw new WorkbenchError("unsupported", `${path} ${reason}`);
  throw new WorkbenchError("invalid-input", `${path} is not a supported model file. Name ${kinds}.`);
}

function describeMissingConfig(folder: string): string {
  const names = readdirSync(folder);
  if (names.includes("adapter_config.json")) return `: ${describeAdapterUse(folder)}`;
  return names.some((name) => name.endsWith(".safetensors"))
    ? ": there are weights, but config.json is missing"
    : "";
}

function findTokenizer(folder: string): Pick<ImportedModel, "tokenizerFolder"> {
  return listTokenizerFiles(folder).length > 0 ? { tokenizerFolder: folder } : {};
}

/**
 * Finds the run of a checkpoint, with its tokenizer: two folders up from `checkpoints/<name>`, or three up from a folder in
 * `steps/<n>-compress/`.
 */
function findEnclosingRun(checkpoint: string): Pick<ImportedModel, "run" | "tokenizerFolder"> {
  const folders = [resolve(checkpoint, "..", ".."), resolve(checkpoint, "..", "..", "..")];
  const run = folders.find((folder) => existsSync(join(folder, "run.json")));
  return run === undefined ? {} : { run, ...findTokenizer(join(run, "tokenizer")) };
}
