/** Llama (Touvron et al. 2023): rotary positions, RMS norms, a gated feed-forward layer, grouped-query attention. */
import * as z from "zod";
import { inertKeys } from "./config";
import { checkHeads, decoderKeys } from "./decoderConfig";
import {
  alikeGrowth,
  buildDecoder,
  createDecoderFamily,
  createDecoderMatrices,
  createInputSources,
  decoderSizeKeys,
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
    model_type: z.literal("llama"),
    ...inertKeys,
    ...decoderKeys,
    hidden_size: decoderKeys.hidden_size.default(4096),
    intermediate_size: decoderKeys.intermediate_size.default(11008),
    max_position_embeddings: decoderKeys.max_position_embeddings.default(2048),
    rms_norm_eps: decoderKeys.rms_norm_eps.default(1e-6),
    attention_bias: z
      .boolean()
      .default(false)
      .describe("Whether q, k, v and the output projection have biases."),
    mlp_bias: z.boolean().default(false).describe("Whether the feed-forward layer has biases."),
  })
  .superRefine(checkHeads);

export default defineModel<z.output<typeof configSchema>>({
  title: "Llama",
  config: configSchema,
  tiny: { model_type: "llama", ...tinyDecoder },
  ...createDecoderFamily<z.output<typeof configSchema>>("Llama"),
  sizeKeys: { ...decoderSizeKeys, headsDivideWidth: true },
  matrices: (config) =>
    createDecoderMatrices(config, (layer) =>
      createSeparateProjections(config, layer, {
        queries: config.attention_bias,
        output: config.attention_bias,
        feedForward: config.mlp_bias,
        attentionKey: "attention_bias",
        feedForwardKey: "mlp_bias",
      }),
    ),
  longestGrowth: (config) => alikeGrowth(config),
  inputSources: (config) => createInputSources(config, separateRoles),
  hidden: (config, weights, inputs, options) =>
    buildDecoder(config, weights, inputs, options, {
      ...projectSeparately(weights, activations[config.hidden_act]!),
      ...rotateAlike(config),
    }),
});
