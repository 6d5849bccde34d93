/** Qwen2 (Yang et al. 2024): a llama with biases in q, k and v, and optional sliding-window attention in later layers. */
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
    model_type: z.literal("qwen2"),
    ...inertKeys,
    ...decoderKeys,
    hidden_size: decoderKeys.hidden_size.default(4096),
    intermediate_size: decoderKeys.intermediate_size.default(22016),
    num_key_value_heads: decoderKeys.num_key_value_heads.default(32),
    max_position_embeddings: decoderKeys.max_position_embeddings.default(32768),
    rms_norm_eps: decoderKeys.rms_norm_eps.default(1e-6),
    ...windowKeys,
  })
  .superRefine((value, context) => {
    checkHeads(value, context);
    checkWindows(value, context);
  });

type Config = z.output<typeof configSchema>;

export default defineModel<Config>({
  title: "Qwen2",
  config: configSchema,
  tiny: { model_type: "qwen2", ...tinyDecoder },
  ...createDecoderFamily<Config>("Qwen2"),
  matrices: (config) =>
    createDecoderMatrices(config, (layer) =>
      createSeparateProjections(config, layer, { queries: true, output: false, feedForward: false }),
    ),
  keepLayers: (config, layers) => keepLayerTypes(resolveLayerTypes(config), layers),
  longestGrowth: (config) => alikeGrowth(config),
  inputSources: (config) => createInputSources(config, separateRoles),
  hidden: (config, weights, inputs, options) =>
    buildDecoder(config, weights, inputs, options, {
      ...projectSeparately(weights, activations[config.hidden_act]!),
      ...rotateAlike(config),
      window: createWindows(resolveLayerTypes(config), config.sliding_window),
    }),
});
