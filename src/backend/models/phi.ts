/** Phi-1, Phi-1.5 and Phi-2 (Gunasekar et al. 2023): one layer norm for the attention and a parallel feed-forward layer. */
import * as z from "zod";
import { activationNames, allowOnly, dropoutRate, inertKeys } from "./config";
import { bareDecoderKeys, checkHeads, resolveHeadSizes } from "./decoderConfig";
import { type Complete, defineModel } from "./family";
import { createLayerNormFamily } from "./layerNormDecoder";
import { computeFrequencies, createRopeKeys, partialFactor } from "./rotary";
import { createCausalHead, createLastTokenHead } from "./specs";

const { rms_norm_eps: _, ...decoderKeys } = bareDecoderKeys;

const configSchema = z
  .strictObject({
    model_type: z.literal("phi"),
    ...inertKeys,
    ...decoderKeys,
    ...createRopeKeys({ partial: partialFactor.optional() }),
    hidden_size: decoderKeys.hidden_size.default(2048),
    intermediate_size: decoderKeys.intermediate_size.default(8192),
    num_hidden_layers: decoderKeys.num_hidden_layers.unwrap().default(24).describe("Decoder layers."),
    hidden_act: z.enum(activationNames).default("gelu_new").describe("Activation of the feed-forward layer."),
    max_position_embeddings: decoderKeys.max_position_embeddings.default(2048),
    layer_norm_eps: z.number().positive().default(1e-5).describe("Added to the variance in norms."),
    resid_pdrop: dropoutRate.default(0).describe("Dropout of each block's output."),
    embd_pdrop: dropoutRate.default(0).describe("Dropout of the embeddings."),
    partial_rotary_factor: partialFactor
      .default(0.5)
      .describe("Share of the channels of a head that are rotated."),
    qk_layernorm: allowOnly([false], "queries and keys have no norms"),
  })
  .superRefine((value, context) => checkHeads(value, context));

type Config = z.output<typeof configSchema>;

const widthOf = ({ hidden_size: width }: Config): number => width;

export default defineModel<Config>({
  title: "Phi",
  config: configSchema,
  tiny: {
    model_type: "phi",
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 16,
  },
  keys: { context: "max_position_embeddings", layers: "num_hidden_layers" },
  sizeKeys: {
    width: "hidden_size",
    intermediate: "intermediate_size",
    heads: { heads: "num_attention_heads", kvHeads: "num_key_value_heads", headDim: "head_dim" },
  },
  ...createLayerNormFamily<Complete<Config>>(
    {
      prefix: "model",
      root: "model",
      tokens: "embed_tokens",
      queries: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
      output: "self_attn.dense",
      up: "mlp.fc1",
      down: "mlp.fc2",
      attentionNorm: "input_layernorm",
      lastNorm: "final_layernorm",
    },
    (config) => {
      const sizes = resolveHeadSizes(config);
      return {
        dimensions: {
          vocabulary: config.vocab_size,
          context: config.max_position_embeddings,
          layers: config.num_hidden_layers,
          width: config.hidden_size,
          ...sizes,
        },
        channels: config.intermediate_size,
        epsilon: config.layer_norm_eps,
        std: config.initializer_range,
        activation: config.hidden_act,
        attentionBias: { bias: true },
        feedForwardBias: { bias: true },
        frequencies: () => computeFrequencies(config, sizes.headDim),
        isParallel: true,
        dropout: {
          embeddings: config.embd_pdrop,
          outputs: config.resid_pdrop,
          attention: config.attention_dropout,
        },
      };
    },
  ),
  heads: {
    language: createCausalHead("PhiForCausalLM", "model.embed_tokens", widthOf, { bias: true }),
    classes: createLastTokenHead("PhiForSequenceClassification", widthOf),
  },
});
