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

/** `rope_parameters` and `rope_scaling`. Unknown keys pass, because a scaled type has its own keys and is rejected anyway. */
const rotarySettings = z
  .looseObject({
    rope_type: z.string().nullish(),
    type: z.string().nullish().describe("Old name of `rope_type`."),
    rope_theta: z.number().positive().nullish(),
    partial_rotary_factor: allowOnly([1], "all channels of a head are rotated"),
  })
  .refine(({ rope_type, type }) => (rope_type ?? type ?? "default") === "default", {
    error: ({ input }) => {
      const { rope_type, type } = input as {
        readonly rope_type?: string | null;
        readonly type?: string | null;
      };
      return `the rotary frequencies are scaled ("${rope_type ?? type}"), and only unscaled ones are supported: null or the type "default"`;
    },
  })
  .nullable()
  .optional();
type RotarySettings = NonNullable<z.output<typeof rotarySettings>>;

/** Keys of rotary families. Newer files write `rope_theta` in `rope_parameters`. */
export const ropeKeys = {
  rope_theta: z.number().positive().default(10_000).describe("Base of the rotary frequencies."),
  rope_parameters: rotarySettings.describe(
    "Rotary settings of newer configuration files; they take precedence over `rope_theta`. Only the type `default` is supported.",
  ),
  rope_interleaved: allowOnly([false], "channels are rotated in halves of a head, not as neighbors"),
  rope_scaling: rotarySettings.describe(
    "Rotary settings of older configuration files; they take precedence over `rope_parameters`. Only the type `default` is supported.",
  ),
};

export interface RotaryConfig {
  readonly rope_theta: number;
  readonly rope_parameters?: RotarySettings | null | undefined;
  readonly rope_scaling?: RotarySettings | null | undefined;
}

/** Returns the base of the rotary frequencies with the precedence of transformers: an empty object counts as missing. */
export function resolveRopeTheta({ rope_theta, rope_parameters, rope_scaling }: RotaryConfig): number {
  const isWritten = rope_scaling != null && Object.keys(rope_scaling).length > 0;
  return (isWritten ? rope_scaling : rope_parameters)?.rope_theta ?? rope_theta;
}

/** Keys that llama and phi3 share. */
export const decoderKeys = {
  hidden_size: positiveInt.describe("Width of the residual stream."),
  intermediate_size: positiveInt.describe("Width of the feed-forward layer."),
  num_hidden_layers: positiveInt.default(32).describe("Decoder layers."),
  num_attention_heads: positiveInt.default(32).describe("Query heads."),
  num_key_value_heads: positiveInt
    .nullable()
    .optional()
    .describe("Key and value heads; as many as query heads when left out."),
  head_dim: positiveInt
    .nullable()
    .optional()
    .describe("Channels per head; the width divided by the number of heads when left out."),
  hidden_act: z.enum(activationNames).default("silu").describe("Activation of the gate."),
  max_position_embeddings: positiveInt.describe("Longest sequence."),
  initializer_range: z.number().positive().default(0.02).describe("Standard deviation of initial weights."),
  rms_norm_eps: z.number().positive().describe("Added to the mean square in norms."),
  tie_word_embeddings: z.boolean().default(false).describe("Whether the head is the token embedding."),
  attention_dropout: dropoutRate.default(0).describe("Dropout of attention weights."),
  ...ropeKeys,
};

interface HeadSizes {
  readonly hidden_size: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads?: number | null | undefined;
  readonly head_dim?: number | null | undefined;
}

export function resolveHeadSizes(config: HeadSizes) {
  const heads = config.num_attention_heads;
  return {
    heads,
    kvHeads: config.num_key_value_heads ?? heads,
    headDim: config.head_dim ?? config.hidden_size / heads,
  };
}

/** Rules between the keys of rotary attention, reported at the key to change. */
export function checkHeads(config: HeadSizes, context: z.RefinementCtx): void {
  const { heads, kvHeads, headDim } = resolveHeadSizes(config);
  const object = (key: string, message: string) =>
    context.addIssue({ code: "custom", path: [key], message, input: config });
  if (!Number.isInteger(headDim))
    object(
      "num_attention_heads",
      `${heads} heads do not divide the width hidden_size ${config.hidden_size}; choose a divisor of it`,
    );
  else if (headDim % 2 !== 0)
    object(
      config.head_dim == null ? "num_attention_heads" : "head_dim",
      `heads of ${headDim} channels cannot be rotated in pairs; the channels of a head have to be even`,
    );
  if (heads % kvHeads !== 0)
    object(
      "num_key_value_heads",
      `${kvHeads} key and value heads do not divide the ${heads} query heads; choose a divisor of ${heads}`,
    );
}
