/**
 * GPT-NeoX (Black et al. 2022) and Pythia (Biderman et al. 2023): rotary positions on a part of each head, layer norms, and a
 * feed-forward layer parallel to the attention.
 */
import * as z from "zod";
import { activationNames, defineInert, dropoutRate, inertKeys, positiveInt } from "./config";
import { type Complete, defineModel } from "./family";
import { createLayerNormFamily } from "./layerNormDecoder";
import { checkRotary, computeFrequencies, createRopeKeys, partialFactor, type RotaryConfig } from "./rotary";
import { createCausalHead, createLastTokenHead } from "./specs";

const { rope_theta: _, ...ropeKeys } = createRopeKeys({ partial: partialFactor.optional() });

const configSchema = z
  .strictObject({
    model_type: z.literal("gpt_neox"),
    ...inertKeys,
    ...ropeKeys,
    hidden_size: positiveInt.default(6144).describe("Width of the residual stream."),
    num_hidden_layers: positiveInt.default(44).describe("Decoder layers."),
    num_attention_heads: positiveInt.default(64).describe("Attention heads."),
    head_dim: positiveInt
      .nullable()
      .optional()
      .describe("Channels per head; only the width divided by the number of heads is supported."),
    intermediate_size: positiveInt.default(24576).describe("Width of the feed-forward layer."),
    hidden_act: z.enum(activationNames).default("gelu").describe("Activation of the feed-forward layer."),
    attention_dropout: dropoutRate.default(0).describe("Dropout of attention weights."),
    hidden_dropout: dropoutRate.default(0).describe("Dropout of the embeddings and of each block's output."),
    classifier_dropout: defineInert("Applies to the classification of tokens only; ignored."),
    max_position_embeddings: positiveInt.default(2048).describe("Longest sequence."),
    initializer_range: z.number().positive().default(0.02).describe("Standard deviation of initial weights."),
    layer_norm_eps: z.number().positive().default(1e-5).describe("Added to the variance in norms."),
    tie_word_embeddings: z.boolean().default(false).describe("Whether the head is the token embedding."),
    use_parallel_residual: z
      .boolean()
      .default(true)
      .describe("Whether the feed-forward layer reads the input of its layer, parallel to the attention."),
    attention_bias: z
      .boolean()
      .default(true)
      .describe("Whether q, k, v and the output projection have biases."),
    rotary_emb_base: z
      .number()
      .positive()
      .default(10_000)
      .describe("Base of the rotary frequencies; `rope_theta` of the rotary settings takes precedence."),
    rotary_pct: partialFactor
      .default(0.25)
      .describe(
        "Share of the channels of a head that are rotated; `partial_rotary_factor` of the rotary settings takes precedence.",
      ),
    is_decoder: defineInert(),
    gradient_checkpointing: defineInert(),
  })
  .superRefine((value, context) => {
    const { hidden_size: width, num_attention_heads: heads, head_dim: written } = value;
    const fault = (key: string, message: string) =>
      context.addIssue({ code: "custom", path: [key], message, input: value });
    if (width % heads !== 0)
      fault(
        "num_attention_heads",
        `${heads} heads do not divide the width hidden_size ${width}; choose a divisor of it`,
      );
    else if (written != null && written !== width / heads)
      fault(
        "head_dim",
        `heads have hidden_size / num_attention_heads = ${width / heads} channels; leave head_dim out`,
      );
    else checkRotary(toRotary(value), width / heads, context);
  });

type Config = z.output<typeof configSchema>;

/** The configuration with the names of rotary keys that other families have. */
export const toRotary = (
  config: Omit<RotaryConfig, "rope_theta"> & {
    readonly rotary_emb_base: number;
    readonly rotary_pct: number;
  },
): RotaryConfig => ({
  ...config,
  rope_theta: config.rotary_emb_base,
  partial_rotary_factor: config.rotary_pct,
});

const packed = "attention.query_key_value";
const widthOf = ({ hidden_size: width }: Config): number => width;

/** Files hold the queries, keys and values of the first head, then those of the second, and so on. */
function listFileRows({ hidden_size: width, num_attention_heads: heads }: Complete<Config>): Int32Array {
  const headDim = width / heads;
  return Int32Array.from({ length: 3 * width }, (_each, row) => {
    const [part, channel] = [Math.floor(row / width), row % width];
    return (3 * Math.floor(channel / headDim) + part) * headDim + (channel % headDim);
  });
}

export default defineModel<Config>({
  title: "GPT-NeoX, Pythia",
  config: configSchema,
  tiny: {
    model_type: "gpt_neox",
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    max_position_embeddings: 16,
    rotary_pct: 0.5,
  },
  keys: { context: "max_position_embeddings", layers: "num_hidden_layers" },
  sizeKeys: { width: "hidden_size", intermediate: "intermediate_size", coupledHeads: "num_attention_heads" },
  // Published files have the head's name of earlier versions, and masks that follow from the configuration.
  oldNames: (name) => (name === "lm_head.weight" ? "embed_out.weight" : name),
  unread: /(^|\.)attention\.(masked_)?bias$/,
  fileRows: (config, tensor) =>
    /\.attention\.query_key_value\.(weight|bias)$/.test(tensor) ? listFileRows(config) : undefined,
  ...createLayerNormFamily<Complete<Config>>(
    {
      prefix: "gpt_neox",
      root: "gpt_neox",
      tokens: "embed_in",
      queries: packed,
      output: "attention.dense",
      up: "mlp.dense_h_to_4h",
      down: "mlp.dense_4h_to_h",
      attentionNorm: "input_layernorm",
      feedForwardNorm: "post_attention_layernorm",
      lastNorm: "final_layer_norm",
    },
    (config) => {
      const { num_attention_heads: heads, hidden_size: width } = config;
      return {
        dimensions: {
          vocabulary: config.vocab_size,
          context: config.max_position_embeddings,
          layers: config.num_hidden_layers,
          width,
          heads,
          kvHeads: heads,
          headDim: width / heads,
        },
        channels: config.intermediate_size,
        epsilon: config.layer_norm_eps,
        std: config.initializer_range,
        activation: config.hidden_act,
        attentionBias: { bias: config.attention_bias, biasKey: "attention_bias" },
        feedForwardBias: { bias: true },
        frequencies: () => computeFrequencies(toRotary(config), width / heads),
        isParallel: config.use_parallel_residual,
        dropout: {
          embeddings: config.hidden_dropout,
          outputs: config.hidden_dropout,
          attention: config.attention_dropout,
        },
      };
    },
  ),
  heads: {
    language: createCausalHead("GPTNeoXForCausalLM", "gpt_neox.embed_in", widthOf),
    classes: createLastTokenHead("GPTNeoXForSequenceClassification", widthOf),
  },
});
