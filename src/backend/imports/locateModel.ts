/** Finds out what a path to a model is, by what lies there: a run folder, a checkpoint, a Hugging Face folder, a llama2.c file. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import { tokenizerFiles } from "../data/tokenizers/openTokenizer";
import type { ImportedModel } from "./importedModel";
import { checkpointOf, type Which } from "./runFolder";

export interface Source {
  readonly kind: "checkpoint" | "huggingFace" | "llama2c";
  readonly path: string;
  readonly belongings: Pick<ImportedModel, "run" | "tokenizerFolder">;
}

const kinds =
  "a run folder, a checkpoint folder, a Hugging Face folder (config.json and model.safetensors), a llama2.c .bin file, " +
  "or a model of the Hugging Face hub as owner/name";

/** Why files that hold models all the same are not read. */
const refused: Readonly<Record<string, string>> = {
  ".safetensors":
    "holds weights without their configuration. Name the folder in which config.json lies beside them.",
  ".gguf":
    "is a GGUF file, of which only the vocabulary is read (as data.tokenizer). Name the Hugging Face folder of the model.",
  ...Object.fromEntries(
    [".pt", ".pth", ".ckpt", ".pkl"].map((extension) => [
      extension,
      "is a pickle, which is not read because loading it can run code. Save the model as safetensors with transformers' save_pretrained().",
    ]),
  ),
  ".onnx":
    "is an ONNX file, whose graph is not read back. Name the folder of the model that it was made from.",
};

export function locateModel(path: string, which: Which): Source {
  if (!existsSync(path))
    throw new WorkbenchError("not-found", `There is no model at ${path}. Name ${kinds}.`);
  if (!statSync(path).isDirectory()) return { kind: "llama2c", ...fileSource(path) };
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
  throw new WorkbenchError("invalid-input", `${path} holds no model${missingConfig(path)}. Name ${kinds}.`);
}

function fileSource(path: string): Omit<Source, "kind"> {
  const extension = extname(path);
  if (extension === ".bin" && basename(path) !== "pytorch_model.bin")
    return { path, belongings: tokenizerIn(dirname(path)) };
  const reason = extension === ".bin" ? refused[".pt"] : refused[extension];
  if (reason !== undefined) throw new WorkbenchError("unsupported", `${path} ${reason}`);
  throw new WorkbenchError("invalid-input", `${path} is a file of no kind that is read here. Name ${kinds}.`);
}

function missingConfig(folder: string): string {
  const names = readdirSync(folder);
  if (names.includes("adapter_config.json"))
    return ": it is an adapter for another model. Merge it into its base model first, for example with PEFT's merge_and_unload()";
  return names.some((name) => name.endsWith(".safetensors"))
    ? ": there are weights, but config.json is missing beside them"
    : "";
}

function tokenizerIn(folder: string): Pick<ImportedModel, "tokenizerFolder"> {
  return tokenizerFiles(folder).length > 0 ? { tokenizerFolder: folder } : {};
}

/** A checkpoint of a run lies two folders below it, in `checkpoints/`, or three, in `steps/<n>-compress/`. */
function runAround(checkpoint: string): Pick<ImportedModel, "run"> {
  const folders = [resolve(checkpoint, "..", ".."), resolve(checkpoint, "..", "..", "..")];
  const run = folders.find((folder) => existsSync(join(folder, "run.json")));
  return run === undefined ? {} : { run };
}
