/** Llama (Touvron et al. 2023): rotary positions, RMS norms, a gated feed-forward layer, grouped-query attention. */
import * as z from "zod";
import { checkHeads, decoderKeys, inertKeys, only } from "./config";
import {
  decoder,
  decoderFamily,
  decoderMatrices,
  decoderSizeKeys,
  separately,
  separateProjections,
  tinyDecoder,
} from "./decoder";
import { defineModel } from "./family";
import { activations } from "./layers";

const config = z
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
    partial_rotary_factor: only([1], "all channels of a head are rotated"),
  })
  .superRefine(checkHeads);

export default defineModel<z.output<typeof config>>({
  title: "Llama",
  config,
  tiny: { model_type: "llama", ...tinyDecoder },
  ...decoderFamily<z.output<typeof config>>("Llama"),
  sizeKeys: { ...decoderSizeKeys, headsDivideWidth: true },
  matrices: (given) =>
    decoderMatrices(given, (layer) =>
      separateProjections(given, layer, {
        queries: given.attention_bias,
        output: given.attention_bias,
        feedForward: given.mlp_bias,
        attentionKey: "attention_bias",
        feedForwardKey: "mlp_bias",
      }),
    ),
  hidden: (given, weights, inputs, options) =>
    decoder(given, weights, inputs, options, separately(weights, activations[given.hidden_act]!)),
});
