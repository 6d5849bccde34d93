/** The adapters of a model in PEFT's format: adapter_config.json and adapter_model.safetensors, without the model itself. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { storedDtypes } from "../checkpoints/halfPrecision";
import { type HostTensor, writeSafetensors } from "../checkpoints/safetensors";
import { type AdaptedMatrix, listAdapted } from "../models/adapters";
import {
  familyOf,
  hasAdapters,
  hasFileOrder,
  listClassHeadMatrices,
  listMatrixSlots,
  type ModelShape,
  parametersOf,
} from "../models/model";
import { adapterConfigName, adapterWeightsName, haveEqualSettings, peftPrefix } from "../models/peft";
import { describeStorage } from "../models/weights";
import { writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";

const optionsSchema = z.strictObject({
  base_model_name_or_path: z
    .string()
    .min(1)
    .optional()
    .describe("The base model that adapter_config.json names: a hub id or a folder. None when left out."),
  dtype: z
    .enum(storedDtypes)
    .default("float32")
    .describe("Type of the written adapters. float16 and bfloat16 round each weight to the nearest number."),
});

export default defineExporter<z.output<typeof optionsSchema>>({
  title: "Adapters for PEFT",
  library: "peft",
  options: optionsSchema,
  samples: [{}, { dtype: "bfloat16", base_model_name_or_path: "base" }],
  form: "stored",
  refuses,
  write: async (subject, { dtype, base_model_name_or_path: base }, folder) => {
    const { shape, tensors } = subject;
    const names = parametersOf(shape).flatMap(({ name, trainable }) => (trainable ? [name] : []));
    const written = new Map<string, HostTensor>(
      names.map((name) => [`${peftPrefix}${name}`, tensors.get(name)!]),
    );
    writeSafetensors(join(folder, adapterWeightsName), written, { format: "pt" }, dtype);
    writeFileSync(
      join(folder, adapterConfigName),
      `${JSON.stringify(createAdapterConfig(shape, base), undefined, 2)}\n`,
    );
    writeTokenizer(subject, folder);
    const adapted = listAdapted(shape);
    const changed = adapted.find(({ pieces }) => pieces[0]!.type !== "dense");
    return [
      `${adapted.length} adapters in ${adapterWeightsName}. They belong to the model before the train step with lora; load it first, then PeftModel.from_pretrained(model, FOLDER).`,
      ...(changed === undefined
        ? []
        : [
            `The adapters were trained on weights stored as ${describeStorage(changed.pieces[0]!)}. PEFT computes the same only on a base model with these weights: export the model from before the train step.`,
          ]),
    ];
  },
});

/** Why PEFT could not load the adapters of the model. */
function refuses(shape: ModelShape): string | undefined {
  if (!hasAdapters(shape)) return "it has no adapters, which train.lora adds unless it has merge: true";
  const declared = familyOf(shape.family).representations?.(shape.config) ?? {};
  const slots = new Map(listMatrixSlots(shape).map(({ matrix }) => [matrix.role, matrix]));
  const adapted = listAdapted(shape);
  for (const { matrix } of adapted) {
    if (!slots.has(matrix.role)) return `${matrix.role} is only a part of a module, so PEFT cannot adapt it`;
    if (hasFileOrder(shape, matrix))
      return `files of ${shape.family} have the outputs of ${matrix.role} in another order, in which adapters are not written`;
    if (Object.hasOwn(declared, matrix.role))
      return `${matrix.role} is not a linear layer in ${shape.family}, so PEFT cannot adapt it`;
  }
  const other = adapted.find(({ options }) => !haveEqualSettings(options, adapted[0]!.options));
  return (
    other &&
    `${other.matrix.role} has an adapter with other settings than ${adapted[0]!.matrix.role}, which this format cannot represent`
  );
}

/** Returns the content of adapter_config.json, with the keys of PEFT's `LoraConfig`. */
function createAdapterConfig(shape: ModelShape, base: string | undefined): Record<string, unknown> {
  const adapted = listAdapted(shape);
  const [{ matrix, options }] = adapted as readonly [AdaptedMatrix];
  const saved = listClassHeadMatrices(shape).map(({ name }) => name);
  return {
    peft_type: "LORA",
    task_type: getTaskType(shape),
    base_model_name_or_path: base ?? null,
    inference_mode: true,
    r: options.r,
    lora_alpha: options.lora_alpha,
    lora_dropout: options.lora_dropout,
    use_rslora: options.use_rslora,
    use_dora: options.use_dora,
    bias: "none",
    fan_in_fan_out: matrix.layout === "in_out",
    init_lora_weights: true,
    target_modules: adapted.map(({ matrix: { name } }) => name).sort(),
    modules_to_save: saved.length === 0 ? null : saved,
  };
}

function getTaskType(shape: ModelShape): string | null {
  if (listClassHeadMatrices(shape).length > 0) return "SEQ_CLS";
  return familyOf(shape.family).heads.language.task === "causal-lm" ? "CAUSAL_LM" : null;
}
