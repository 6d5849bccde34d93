/**
 * Gemma 2 (Gemma Team 2024): norms before and after each block with weights around 1, scaled embeddings, bounded scores and
 * logits, and a window in every second layer.
 */
import * as z from "zod";
import {
  checkLayerTypes,
  createWindows,
  keepLayerTypes,
  type LayerTypes,
  layerTypesKey,
} from "./attentionWindows";
import { allowOnly, inertKeys } from "./config";
import { checkHeads } from "./decoderConfig";
import { createRopeKeys, wholeRotary } from "./rotary";
import { createGemmaFamily, createGemmaParts, gemmaKeys } from "./gemmaDecoder";
import { alikeGrowth, buildDecoder, type NormNames, rotateAlike, tinyDecoder } from "./decoder";
import { defineModel } from "./family";
import { range } from "./specs";

const cap = z.number().positive().nullable();

export const resolveLayerTypes = ({ layer_types: types, num_hidden_layers: layers }: LayerTypes) =>
  types ?? range(layers).map((layer) => (layer % 2 === 0 ? "sliding_attention" : "full_attention"));

const configSchema = z
  .strictObject({
    model_type: z.literal("gemma2"),
    ...inertKeys,
    ...gemmaKeys,
    ...createRopeKeys(),
    partial_rotary_factor: wholeRotary,
    max_position_embeddings: gemmaKeys.max_position_embeddings.default(8192),
    layer_types: layerTypesKey,
    final_logit_softcapping: cap
      .default(30)
      .describe("Bound of the logits, which become bound · tanh(logit / bound); null for none."),
    attn_logit_softcapping: cap
      .default(50)
      .describe("Bound of the scores of attention, in the same way; null for none."),
    use_bidirectional_attention: allowOnly([false], "attention is causal"),
  })
  .superRefine((value, context) => {
    checkHeads(value, context);
    checkLayerTypes({ ...value, layer_types: resolveLayerTypes(value) }, value.sliding_window, "", context);
  });

type Config = z.output<typeof configSchema>;

const norms: NormNames = {
  feedForward: "pre_feedforward_layernorm",
  outputs: { attention: "post_attention_layernorm", feedForward: "post_feedforward_layernorm" },
  isCentered: true,
};

export default defineModel<Config>({
  title: "Gemma 2",
  config: configSchema,
  tiny: {
    model_type: "gemma2",
    ...tinyDecoder,
    head_dim: 4,
    query_pre_attn_scalar: 6,
    sliding_window: 5,
    tie_word_embeddings: false,
  },
  ...createGemmaFamily<Config>("Gemma2", norms),
  longestGrowth: (config) => alikeGrowth(config),
  keepLayers: (config, layers) => keepLayerTypes(resolveLayerTypes(config), layers),
  hidden: (config, weights, inputs, options) =>
    buildDecoder(config, weights, inputs, options, {
      ...createGemmaParts(config, weights, norms),
      ...rotateAlike(config),
      scoreCap: config.attn_logit_softcapping,
      window: createWindows(resolveLayerTypes(config), config.sliding_window),
    }),
});
