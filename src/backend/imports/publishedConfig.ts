/**
 * The `config.json` of a published model. The schema of its family lists the keys that matter. Other keys have no effect in
 * transformers either, and are ignored with a notice. Unsupported keys that would change the result are refused by name.
 */
import type * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { models } from "../models/catalog";
import { isInert } from "../models/config";
import { findNearest } from "../models/configFaults";
import type { AnyFamily } from "../models/family";
import { familyOf } from "../models/model";

type Config = Readonly<Record<string, unknown>>;

export interface PublishedConfig {
  /** The keys that the family's schema knows, with `model_type`. */
  readonly config: Config;
  /** One line that lists the ignored keys, without the name of the file; undefined if there are none. */
  readonly notice: string | undefined;
}

export function readPublishedConfig(rawConfig: Config): PublishedConfig {
  refuseUnsupported(rawConfig);
  const type = resolveModelType(rawConfig);
  const family = familyOf(type);
  const { known, ignored } = splitKeys(family, resolveAliases(family, rawConfig));
  return {
    config: { ...known, model_type: type },
    notice:
      ignored.length === 0
        ? undefined
        : `ignored keys that do not change what a ${String(type)} model computes: ${ignored.join(", ")}.`,
  };
}

/** Refuses overrides of keys that are unknown and missing from the file, because they are probably misspelled. */
export function refuseUnknownChanges(rawConfig: Config, added: readonly string[]): void {
  const family = familyOf(resolveModelType(rawConfig));
  const knownKeys = [
    ...Object.keys(listFields(family)),
    ...Object.keys(family.aliases ?? {}),
    ...Object.keys(unsupported),
  ];
  for (const key of added) {
    if (knownKeys.includes(key) || descriptive.has(key)) continue;
    const near = findNearest(key, knownKeys);
    throw new WorkbenchError(
      "invalid-input",
      `unknown key base_model.config.${key}: ${String(resolveModelType(rawConfig))} models do not use it.${near === undefined ? "" : ` Did you mean ${near}?`}`,
      near === undefined ? {} : { nearest: near },
    );
  }
}

function listFields(family: AnyFamily): Readonly<Record<string, z.ZodType>> {
  return (family.config as unknown as z.ZodObject).shape;
}

/** Derives a missing `model_type` from the architecture: early versions of transformers did not write it. */
function resolveModelType(config: Config): unknown {
  const { model_type: written } = config;
  if (written !== undefined && written !== null) return written;
  const name = architectureOf(config)
    ?.replace(/(LMHeadModel|DoubleHeadsModel|For[A-Z]\w*|Model)$/, "")
    .toLowerCase();
  return Object.keys(models).find((type) => type.replaceAll("_", "") === name);
}

function architectureOf({ architectures }: Config): string | undefined {
  const [first] = Array.isArray(architectures) ? (architectures as unknown[]) : [];
  return typeof first === "string" ? first : undefined;
}

/** Replaces the common key names of transformers with those of the family. */
function resolveAliases({ aliases = {} }: AnyFamily, config: Config): Config {
  const resolved = new Map(Object.entries(config).filter(([key]) => !Object.hasOwn(aliases, key)));
  for (const [alias, key] of Object.entries(aliases)) {
    const value = config[alias];
    if (value === undefined || value === null) continue;
    if (config[key] !== undefined && config[key] !== value)
      throw new WorkbenchError(
        "invalid-input",
        `${alias} is ${JSON.stringify(value)} and ${key} is ${JSON.stringify(config[key])}, but both set the same size. Remove one of them.`,
      );
    resolved.set(key, value);
  }
  return Object.fromEntries(resolved);
}

/** Keys of any configuration that are read elsewhere or describe the file itself. Ignoring them needs no notice. */
const descriptive = new Set([
  ...["model_type", "architectures", "transformers_version", "dtype", "torch_dtype", "auto_map"],
  ...["bos_token_id", "eos_token_id", "pad_token_id", "id2label", "label2id", "num_labels", "problem_type"],
]);

/** A null selects the default of a key, unless it is a value of its own. */
function splitKeys(family: AnyFamily, config: Config) {
  const fields = listFields(family);
  const known: Record<string, unknown> = {};
  const ignored: string[] = [];
  for (const [key, value] of Object.entries(config)) {
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (field !== undefined && (value !== null || field.safeParse(null).success)) known[key] = value;
    if ((field === undefined || isInert(field)) && !descriptive.has(key))
      ignored.push(field === undefined ? addHint(key, config, Object.keys(fields)) : key);
  }
  return { known, ignored };
}

/** A misspelled key would be ignored too, so the notice suggests the key that was probably meant. */
function addHint(key: string, config: Config, fields: readonly string[]): string {
  const absent = fields.filter((field) => !Object.hasOwn(config, field));
  const near = key.startsWith("_") ? undefined : findNearest(key, absent);
  return near === undefined ? key : `${key} (did you mean ${near}?)`;
}

const isSet = (value: unknown) =>
  value !== undefined &&
  value !== null &&
  value !== false &&
  (typeof value !== "object" || Object.keys(value).length > 0);

/** Keys of any family that change the model unless they are empty, with the reason and what to do. */
const unsupported: Readonly<Record<string, string>> = {
  quantization_config:
    "the codes of quantized checkpoints are read only from a folder with their weights. Use that folder",
  compression_config:
    "compressed checkpoints are not supported. Use the model in float32, float16 or bfloat16",
  is_encoder_decoder: "encoder-decoder models are not supported. Use a decoder-only model",
  pruned_heads: "layers with different numbers of heads are not supported. Use the model from before pruning",
  per_layer_config:
    "layers with different configurations are not supported. Use a model whose layers are all the same",
};

function refuseUnsupported(config: Config): void {
  for (const [key, reason] of Object.entries(unsupported))
    if (isSet(config[key]))
      throw new WorkbenchError(
        "unsupported",
        `${key} is ${JSON.stringify(config[key]).slice(0, 80)}, but ${reason}.`,
      );
}
