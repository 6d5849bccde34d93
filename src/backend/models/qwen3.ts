/** Qwen3 (Yang et al. 2025): a llama with a norm of each head's queries and keys, and optional sliding-window attention. */
import * as z from "zod";
import {
  checkWindows,
  createWindows,
  keepLayerTypes,
  resolveLayerTypes,
  windowKeys,
} from "./attentionWindows";
import { inertKeys } from "./config";
import { checkHeads, decoderKeys } from "./decoderConfig";
import {
  alikeGrowth,
  buildDecoder,
  createDecoderFamily,
  createDecoderMatrices,
  createInputSources,
  type NormNames,
  projectSeparately,
  rotateAlike,
  createSeparateProjections,
  separateRoles,
  tinyDecoder,
} from "./decoder";
import { defineModel } from "./family";
import { activations } from "./layers";

const configSchema = z
  .strictObject({
    model_type: z.literal("qwen3"),
    ...inertKeys,
    ...decoderKeys,
    hidden_size: decoderKeys.hidden_size.default(4096),
    intermediate_size: decoderKeys.intermediate_size.default(22016),
    num_key_value_heads: decoderKeys.num_key_value_heads.default(32),
    head_dim: decoderKeys.head_dim.unwrap().unwrap().default(128).describe("Channels per head."),
    max_position_embeddings: decoderKeys.max_position_embeddings.default(32768),
    rms_norm_eps: decoderKeys.rms_norm_eps.default(1e-6),
    attention_bias: z
      .boolean()
      .default(false)
      .describe("Whether q, k, v and the output projection have biases."),
    ...windowKeys,
  })
  .superRefine((value, context) => {
    checkHeads(value, context);
    checkWindows(value, context);
  });

type Config = z.output<typeof configSchema>;

const norms: NormNames = { feedForward: "post_attention_layernorm", heads: true };

export default defineModel<Config>({
  title: "Qwen3",
  config: configSchema,
  tiny: { model_type: "qwen3", ...tinyDecoder, head_dim: 4 },
  ...createDecoderFamily<Config>("Qwen3", norms),
  matrices: (config) =>
    createDecoderMatrices(config, (layer) =>
      createSeparateProjections(config, layer, {
        queries: config.attention_bias,
        output: config.attention_bias,
        feedForward: false,
        attentionKey: "attention_bias",
      }),
    ),
  keepLayers: (config, layers) => keepLayerTypes(resolveLayerTypes(config), layers),
  longestGrowth: (config) => alikeGrowth(config),
  inputSources: (config) => createInputSources(config, separateRoles),
  hidden: (config, weights, inputs, options) =>
    buildDecoder(config, weights, inputs, options, {
      ...projectSeparately(weights, activations[config.hidden_act]!),
      ...rotateAlike(config),
      window: createWindows(resolveLayerTypes(config), config.sliding_window),
      norms,
    }),
});
