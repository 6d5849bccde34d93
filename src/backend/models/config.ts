/**
 * Parts that the configurations of all families share. The keys are those of Hugging Face's `config.json`. Other keys of
 * published files are accepted if they cannot change what the model computes, and rejected with the reason otherwise.
 */
import * as z from "zod";

export const positiveInt = z.int().positive();
/** The names in `config.json` of the activations of `layers.ts`. */
export const activationNames = ["gelu_new", "gelu_pytorch_tanh", "gelu", "relu", "silu", "swish"] as const;
export const dropoutRate = z.number().min(0).max(0.999);

/** A key that supports only the listed values. */
export function allowOnly(values: readonly unknown[], reason: string) {
  const allowedValues = values.map((value) => JSON.stringify(value)).join(" or ");
  return z
    .unknown()
    .refine((value) => values.some((each) => JSON.stringify(each) === JSON.stringify(value)), {
      error: `only ${allowedValues} is supported: ${reason}`,
    })
    .optional()
    .describe(`Only ${allowedValues}: ${reason}.`);
}

const inertFields = z.registry<object>();

/** A key that is accepted and ignored, because it does not change what the model computes. */
export function defineInert(description?: string) {
  const field = z.unknown().optional();
  return (description === undefined ? field : field.describe(description)).register(inertFields, {});
}

export function isInert(field: z.ZodType): boolean {
  return inertFields.has(field);
}

const inertField = defineInert();
/** Keys that describe a file, a tokenizer or generation, and do not change the model's function. */
export const inertKeys = {
  _name_or_path: inertField,
  _attn_implementation_autoset: inertField,
  architectures: inertField,
  auto_map: inertField,
  bos_token_id: inertField,
  chunk_size_feed_forward: inertField,
  decoder_start_token_id: inertField,
  dtype: inertField,
  eos_token_id: inertField,
  exit_layers: z
    .array(positiveInt)
    .optional()
    .describe(
      "Numbers of layers after which a text can leave the model, in ascending order; `train.exits` writes them.",
    ),
  finetuning_task: inertField,
  id2label: inertField,
  is_llama_config: inertField,
  label2id: inertField,
  num_labels: z
    .int()
    .min(1)
    .optional()
    .describe(
      "Number of classes of a classifier, or 1 for a regression; when left out, the head predicts tokens. `id2label` names the classes in order.",
    ),
  output_attentions: inertField,
  output_hidden_states: inertField,
  pad_token_id: inertField,
  prefix: inertField,
  pretraining_tp: inertField,
  problem_type: inertField,
  return_dict: inertField,
  sep_token_id: inertField,
  task_specific_params: inertField,
  tokenizer_class: inertField,
  torch_dtype: inertField,
  "transformers.js_config": inertField,
  transformers_version: inertField,
  unk_token_id: inertField,
  use_cache: inertField,
  vocab_size: positiveInt.optional().describe("Vocabulary size; that of the tokenizer when left out."),
};
