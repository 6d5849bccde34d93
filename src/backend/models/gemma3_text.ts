/**
 * Gemma 3 (Gemma Team 2025), its model of text: a Gemma 2 with norms of each head's queries and keys, and with rotary
 * frequencies of their own in the layers that have a window, which are five of six.
 */
import * as z from "zod";
import {
  checkLayerTypes,
  createWindows,
  keepLayerTypes,
  type LayerTypes,
  layerTypesKey,
} from "./attentionWindows";
import { allowOnly, inertKeys, positiveInt } from "./config";
import { buildDecoder, type NormNames, tinyDecoder } from "./decoder";
import { checkHeadSizes } from "./decoderConfig";
import { type Complete, defineModel } from "./family";
import { createGemmaFamily, createGemmaParts, gemmaKeys } from "./gemmaDecoder";
import {
  checkRotary,
  computeFrequencies,
  createRotarySettings,
  type RotaryConfig,
  wholeRotary,
} from "./rotary";
import { range } from "./specs";

const settings = createRotarySettings({ types: ["default", "linear"] });
const base = z.number().positive();

const configSchema = z
  .strictObject({
    model_type: z.literal("gemma3_text"),
    ...inertKeys,
    ...gemmaKeys,
    max_position_embeddings: gemmaKeys.max_position_embeddings.default(131072),
    rope_theta: base
      .default(1_000_000)
      .describe("Base of the rotary frequencies of layers without a window."),
    rope_local_base_freq: base
      .default(10_000)
      .describe("Base of the rotary frequencies of layers with a window."),
    rope_scaling: settings.describe(
      "Rotary settings of layers without a window, of older configuration files; each of its keys takes precedence.",
    ),
    rope_parameters: z
      .strictObject({ full_attention: settings, sliding_attention: settings })
      .nullable()
      .optional()
      .describe("Rotary settings of both kinds of layers; they take precedence over the bases."),
    partial_rotary_factor: wholeRotary,
    layer_types: layerTypesKey,
    sliding_window_pattern: positiveInt
      .default(6)
      .describe("Every layer of this number has no window, unless `layer_types` is written."),
    final_logit_softcapping: base
      .nullable()
      .default(null)
      .describe("Bound of the logits, which become bound · tanh(logit / bound); null for none."),
    attn_logit_softcapping: allowOnly([null], "the scores of attention have no bound"),
    use_bidirectional_attention: allowOnly([false], "attention is causal"),
  })
  .superRefine((value, context) => {
    checkHeadSizes(value, context);
    checkLayerTypes({ ...value, layer_types: resolveLayerTypes(value) }, value.sliding_window, "", context);
    for (const type of ["full_attention", "sliding_attention"] as const)
      checkRotary(toRotary(value, type), value.head_dim, context);
  });

type Config = z.output<typeof configSchema>;

export function resolveLayerTypes(config: LayerTypes & { readonly sliding_window_pattern: number }) {
  const { layer_types: types, num_hidden_layers: layers, sliding_window_pattern: pattern } = config;
  return (
    types ??
    range(layers).map((layer) => ((layer + 1) % pattern === 0 ? "full_attention" : "sliding_attention"))
  );
}

/** The configuration with the rotary keys of one kind of layer. */
export function toRotary(
  config: Pick<
    Config,
    "rope_theta" | "rope_local_base_freq" | "rope_scaling" | "rope_parameters" | "max_position_embeddings"
  >,
  type: "full_attention" | "sliding_attention",
): RotaryConfig {
  const { max_position_embeddings, rope_parameters: both } = config;
  return type === "sliding_attention"
    ? { max_position_embeddings, rope_theta: config.rope_local_base_freq, rope_parameters: both?.[type] }
    : {
        max_position_embeddings,
        rope_theta: config.rope_theta,
        rope_parameters: { ...both?.[type], ...config.rope_scaling },
      };
}

const norms: NormNames = {
  feedForward: "pre_feedforward_layernorm",
  outputs: { attention: "post_attention_layernorm", feedForward: "post_feedforward_layernorm" },
  heads: true,
  isCentered: true,
};

function createLayerFrequencies(config: Complete<Config>) {
  const types = resolveLayerTypes(config);
  const [full, sliding] = (["full_attention", "sliding_attention"] as const).map((type) =>
    computeFrequencies(toRotary(config, type), config.head_dim),
  );
  return (layer: number) => (types[layer] === "sliding_attention" ? sliding : full);
}

export default defineModel<Config>({
  title: "Gemma 3",
  config: configSchema,
  tiny: {
    model_type: "gemma3_text",
    ...tinyDecoder,
    head_dim: 4,
    query_pre_attn_scalar: 6,
    sliding_window: 5,
    sliding_window_pattern: 2,
    tie_word_embeddings: false,
  },
  ...createGemmaFamily<Config>("Gemma3", norms, "Gemma3Text"),
  keepLayers: (config, layers) => keepLayerTypes(resolveLayerTypes(config), layers),
  hidden: (config, weights, inputs, options) =>
    buildDecoder(config, weights, inputs, options, {
      ...createGemmaParts(config, weights, norms),
      frequencies: createLayerFrequencies(config),
      window: createWindows(resolveLayerTypes(config), config.sliding_window),
    }),
});
