/** Reads the configuration of an adapter of PEFT, and refuses by name what would change what it computes. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { adapterConfigName } from "../models/peft";
import { readJson } from "./jsonFile";

/** The settings that change what an adapter computes. PEFT's defaults are those of its `LoraConfig`. */
const configSchema = z.looseObject({
  peft_type: z.string(),
  r: z.int().min(1).default(8),
  lora_alpha: z.number().positive().default(8),
  lora_dropout: z.number().min(0).lt(1).default(0),
  use_rslora: z.boolean().default(false),
  use_dora: z.boolean().default(false),
  init_lora_weights: z.union([z.boolean(), z.string(), z.null()]).default(true),
  bias: z.string().default("none"),
  base_model_name_or_path: z.string().nullish(),
});
export type AdapterConfig = z.output<typeof configSchema>;

/** Keys that describe the adapter or its training, and do not change what it computes: its tensors show its modules. */
const descriptions = new Set([
  ...["auto_mapping", "revision", "inference_mode", "task_type", "peft_version", "runtime_config"],
  ...["target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save"],
  ...["fan_in_fan_out", "megatron_config", "megatron_core", "eva_config", "qalora_group_size"],
]);
/** Initializations that leave the weights of the base model as they are. */
const plainInitializations = ["gaussian", "orthogonal", "eva", "lora_ga"];

/** Returns the name of the base model that an adapter's configuration has, if there is one. */
function readBaseName(folder: string): string | undefined {
  const schema = z.looseObject({ base_model_name_or_path: z.string().nullish() });
  return readJson(join(folder, adapterConfigName), schema).base_model_name_or_path ?? undefined;
}

/** How to load a folder that is an adapter: as an option of its base model. */
export function describeAdapterUse(folder: string): string {
  return `it is an adapter for another model and has no weights of its own. Load it with its base model: base_model: {id: ${readBaseName(folder) ?? "BASE_MODEL"}, adapter: ${folder}}`;
}

export function readAdapterConfig(folder: string): AdapterConfig {
  const path = join(folder, adapterConfigName);
  if (!existsSync(path))
    throw new WorkbenchError(
      "not-found",
      `base_model.adapter: there is no ${adapterConfigName} in ${folder}. Use a folder that PEFT's save_pretrained has written.`,
    );
  const config = readJson(path, configSchema);
  const refuse = (why: string) => new WorkbenchError("unsupported", `${path}: ${why}`);
  if (config.peft_type !== "LORA")
    throw refuse(`peft_type is ${JSON.stringify(config.peft_type)}, but only LORA is supported.`);
  if (config.bias !== "none")
    throw refuse(
      `bias is ${JSON.stringify(config.bias)}: the adapter also changes biases, which is not supported. Only bias: "none" is.`,
    );
  const initialization = config.init_lora_weights;
  if (typeof initialization === "string" && !plainInitializations.includes(initialization))
    throw refuse(
      `init_lora_weights is ${JSON.stringify(initialization)}, which changes the base model's weights. Convert the adapter with PEFT's path_initial_model_for_weight_conversion.`,
    );
  for (const [key, value] of Object.entries(config))
    if (!(key in configSchema.shape) && !descriptions.has(key) && !isEmpty(value))
      throw refuse(`${key} is ${JSON.stringify(value)}, which is not supported. Only null is.`);
  return config;
}

const isEmpty = (value: unknown): boolean =>
  value === null || value === false || (typeof value === "object" && Object.keys(value).length === 0);
