/** Reads the configuration of a Hugging Face model folder, and finds the files with its weights. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { InvalidInput, WorkbenchError } from "../../protocol/errors";
import { type ModelShape, createShape } from "../models/model";
import { describeAdapterUse } from "./adapterConfig";
import { readJson } from "./jsonFile";
import { readPublishedConfig, refuseUnknownChanges } from "./publishedConfig";
import type { CodeLayoutName } from "./codeLayouts";
import { readQuantizationConfig, withFileCodes } from "./quantizedConfig";

const configSchema = z.record(z.string(), z.unknown());

export interface ModelFolder {
  readonly shape: ModelShape;
  /** How the files pack the codes of quantized matrices; undefined if none is. */
  readonly layout?: CodeLayoutName;
  /** One line for each thing that was ignored. */
  readonly notices: readonly string[];
}

/** Reads the model of a folder without its weights. Errors name the file once. */
export function readModelFolder(
  folder: string,
  changes: Readonly<Record<string, unknown>> = {},
): ModelFolder {
  const path = join(folder, "config.json");
  const read = readJson(path, configSchema);
  try {
    const written = { ...read, ...changes };
    refuseUnsupported(path, written);
    const { quantization_config: quantization, ...described } = written as Record<string, unknown>;
    const { config, notice } = readPublishedConfig(described);
    refuseUnknownChanges(
      written,
      Object.keys(changes).filter((key) => !Object.hasOwn(read, key)),
    );
    const changed = Object.keys(changes).join(", ");
    const notices = [
      ...(changed === "" ? [] : [`${path}: overrode ${changed} with the values in base_model.config.`]),
      ...(notice === undefined ? [] : [`${path}: ${notice}`]),
    ];
    const shape = createShape(addLabelCount(config));
    if (quantization === undefined || quantization === null) return { shape, notices };
    const files = readQuantizationConfig(quantization);
    return { shape: withFileCodes(shape, files), layout: files.layout, notices };
  } catch (thrown) {
    if (!(thrown instanceof WorkbenchError)) throw thrown;
    const withPath = (fault: WorkbenchError) =>
      fault.message.startsWith(path)
        ? fault
        : new WorkbenchError(fault.code, `${path}: ${fault.message}`, fault.details, { cause: fault });
    throw thrown instanceof InvalidInput ? new InvalidInput(thrown.faults.map(withPath)) : withPath(thrown);
  }
}

export function readShape(folder: string): ModelShape {
  return readModelFolder(folder).shape;
}

/** Sets `num_labels` from the names of the classes. Those of a language model have no meaning and are ignored. */
function addLabelCount(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { architectures, num_labels: _, ...rest } = config;
  const [kind] = Array.isArray(architectures) ? (architectures as unknown[]) : [];
  // A checkpoint of Lathe has no architecture, and specifies its number of classes itself.
  if (kind === undefined && typeof config["num_labels"] === "number") return config;
  if (typeof kind !== "string" || !kind.endsWith("ForSequenceClassification")) return rest;
  const names = z.record(z.string(), z.unknown()).safeParse(config["id2label"] ?? {}).data ?? {};
  const written = config["num_labels"];
  const count = Object.keys(names).length || (typeof written === "number" ? written : 2);
  return { ...rest, num_labels: count };
}

/** Refuses models that would load but compute something else, or fail with an unhelpful list of tensors. */
function refuseUnsupported(path: string, config: Readonly<Record<string, unknown>>): void {
  const { architectures } = config;
  const [kind] = Array.isArray(architectures) ? (architectures as unknown[]) : [];
  if (
    typeof kind === "string" &&
    /(TokenClassification|QuestionAnswering|DoubleHeads\w*|Encoder\w*)$/.test(kind)
  )
    throw new WorkbenchError(
      "unsupported",
      `${path} describes a ${kind}, which is not supported. Supported are language models and sequence classifiers. Use the base model of this one.`,
    );
}

const indexSchema = z.object({
  weight_map: z.record(z.string(), z.string().regex(/^[\w.-]+\.safetensors$/)),
});

export interface WeightFiles {
  readonly files: readonly string[];
  /** The file of each tensor according to the index of a sharded model; undefined if there is a single file. */
  readonly index?: ReadonlyMap<string, string>;
}

const readIndex = (folder: string) =>
  readJson(join(folder, "model.safetensors.index.json"), indexSchema).weight_map;
const listFileNames = (map: Readonly<Record<string, string>>) => [...new Set(Object.values(map))].sort();

/** The files that the index of a sharded model lists. */
export function listShardNames(folder: string): readonly string[] {
  return listFileNames(readIndex(folder));
}

export function findWeightFiles(folder: string): WeightFiles {
  const single = join(folder, "model.safetensors");
  if (existsSync(single)) return { files: [single] };
  const indexPath = join(folder, "model.safetensors.index.json");
  if (!existsSync(indexPath)) throw noWeightsError(folder);
  const map = readIndex(folder);
  const names = listFileNames(map);
  const missing = names.filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0)
    throw new WorkbenchError(
      "not-found",
      `${folder} lacks ${listNames(missing)} of the ${names.length} files that model.safetensors.index.json lists. ` +
        "Add the missing files, or download the model again.",
    );
  return {
    files: names.map((name) => join(folder, name)),
    index: new Map(Object.entries(map).map(([tensor, name]) => [tensor, join(folder, name)])),
  };
}

/** Joins the first few of a list of names. */
export function listNames(names: readonly string[]): string {
  const more = names.length > 4 ? ` and ${names.length - 4} more` : "";
  return `${names.slice(0, 4).join(", ")}${more}`;
}

const pickles = /\.(bin|pt|pth|ckpt|h5|msgpack)(\.index\.json)?$/;

function noWeightsError(folder: string): WorkbenchError {
  const names = readdirSync(folder);
  if (names.includes("adapter_config.json"))
    return new WorkbenchError("unsupported", `${folder} has no weights: ${describeAdapterUse(folder)}.`);
  const pickle = names.find((name) => pickles.test(name));
  if (pickle !== undefined)
    return new WorkbenchError(
      "unsupported",
      `${folder} has its weights as ${pickle}, which is not read because loading such a file can run code. ` +
        "Convert it with transformers: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(FOLDER, safe_serialization=True).",
    );
  const other = names.find((name) => name.endsWith(".safetensors"));
  return new WorkbenchError(
    "not-found",
    `${folder} has a config.json but no model.safetensors` +
      `${other === undefined ? "" : `, and no model.safetensors.index.json lists ${other}`}. Add the weights to the folder.`,
  );
}
