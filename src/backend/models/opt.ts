/** OPT (Zhang et al. 2022): learned positions, layer norms before each block, biases, and a tied head. */
import * as z from "zod";
import { activationNames, allowOnly, defineInert, dropoutRate, inertKeys, positiveInt } from "./config";
import { type Complete, defineModel } from "./family";
import { createLayerNormFamily } from "./layerNormDecoder";
import { createCausalHead, createLastTokenHead } from "./specs";

/** Rows before that of the first position, which fairseq reserved for padding. */
const unusedPositions = 2;

const configSchema = z
  .strictObject({
    model_type: z.literal("opt"),
    ...inertKeys,
    hidden_size: positiveInt.default(768).describe("Width of the residual stream."),
    num_hidden_layers: positiveInt.default(12).describe("Decoder layers."),
    num_attention_heads: positiveInt.default(12).describe("Attention heads."),
    ffn_dim: positiveInt.default(3072).describe("Width of the feed-forward layer."),
    max_position_embeddings: positiveInt.default(2048).describe("Longest sequence."),
    word_embed_proj_dim: positiveInt
      .nullable()
      .optional()
      .describe("Width of the embeddings; only the width of the model is supported."),
    do_layer_norm_before: allowOnly([true], "norms are before each block; opt-350m has them after it"),
    _remove_final_layer_norm: allowOnly([false], "the last layer is followed by a norm"),
    layer_norm_elementwise_affine: allowOnly([true], "norms have weights and biases"),
    activation_function: z
      .enum(activationNames)
      .default("relu")
      .describe("Activation of the feed-forward layer."),
    dropout: dropoutRate.default(0.1).describe("Dropout of each block's output."),
    attention_dropout: dropoutRate.default(0).describe("Dropout of attention weights."),
    activation_dropout: defineInert("Present in published files; ignored, as transformers does."),
    layerdrop: allowOnly([0], "no layers are skipped in training"),
    init_std: z.number().positive().default(0.02).describe("Standard deviation of initial weights."),
    enable_bias: z.boolean().default(true).describe("Whether projections have biases."),
    tie_word_embeddings: z.boolean().default(true).describe("Whether the head is the token embedding."),
  })
  .superRefine((value, context) => {
    const { hidden_size: width, num_attention_heads: heads, word_embed_proj_dim: embedded } = value;
    const fault = (key: string, message: string) =>
      context.addIssue({ code: "custom", path: [key], message, input: value });
    if (width % heads !== 0)
      fault(
        "num_attention_heads",
        `${heads} heads do not divide the width hidden_size ${width}; choose a divisor of it`,
      );
    if (embedded != null && embedded !== width)
      fault(
        "word_embed_proj_dim",
        `it has to equal hidden_size ${width}: embeddings of another width are not supported`,
      );
  });

type Config = z.output<typeof configSchema>;

const widthOf = ({ hidden_size: width }: Config): number => width;
const stdOf = ({ init_std: std }: Config): number => std;

export default defineModel<Config>({
  title: "OPT",
  config: configSchema,
  tiny: {
    model_type: "opt",
    vocab_size: 32,
    hidden_size: 16,
    ffn_dim: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    max_position_embeddings: 16,
  },
  keys: { context: "max_position_embeddings", layers: "num_hidden_layers" },
  sizeKeys: { width: "hidden_size", intermediate: "ffn_dim", coupledHeads: "num_attention_heads" },
  ...createLayerNormFamily<Complete<Config>>(
    {
      prefix: "model",
      root: "model.decoder",
      tokens: "embed_tokens",
      positions: "embed_positions",
      queries: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
      output: "self_attn.out_proj",
      up: "fc1",
      down: "fc2",
      attentionNorm: "self_attn_layer_norm",
      feedForwardNorm: "final_layer_norm",
      lastNorm: "final_layer_norm",
    },
    (config) => {
      const { num_attention_heads: heads, hidden_size: width } = config;
      const biases = { bias: config.enable_bias, biasKey: "enable_bias" };
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
        channels: config.ffn_dim,
        epsilon: 1e-5,
        std: config.init_std,
        activation: config.activation_function,
        attentionBias: biases,
        feedForwardBias: biases,
        unusedPositions,
        isParallel: false,
        dropout: { embeddings: 0, outputs: config.dropout, attention: config.attention_dropout },
      };
    },
  ),
  heads: {
    language: createCausalHead("OPTForCausalLM", "model.decoder.embed_tokens", widthOf, { stdOf }),
    classes: createLastTokenHead("OPTForSequenceClassification", widthOf, stdOf),
  },
});
