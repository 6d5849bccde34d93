/** Llama (Touvron et al. 2023): rotary positions, RMS norms, a gated feed-forward layer, grouped-query attention. */
import * as z from "zod";
import { mul } from "../graph/ops/elementwise";
import type { MatrixSpec } from "../representations/representation";
import { checkHeads, decoderKeys, headSizes, inertKeys, only } from "./config";
import {
  decoder,
  decoderDimensions,
  decoderLogits,
  decoderMatrices,
  decoderNorms,
  decoderSizeKeys,
  decoderTied,
} from "./decoder";
import { type Complete, defineModel } from "./family";
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

type Config = Complete<z.output<typeof config>>;

function layerMatrices(given: Config, index: number): MatrixSpec[] {
  const { hidden_size: width, intermediate_size: inner } = given;
  const { heads, kvHeads, headDim } = headSizes(given);
  const layer = `layers.${index}`;
  const projection = (
    role: string,
    [inputs, input]: readonly [number, string],
    [outputs, output]: readonly [number, string],
    bias: boolean,
  ): MatrixSpec => ({
    role: `${layer}.${role}`,
    name: `model.${layer}.${role}`,
    layout: "out_in",
    kind: "projection",
    bias,
    inputs,
    outputs,
    init: { kind: "normal", std: given.initializer_range },
    axes: [input, output],
  });
  const hidden = [width, "hidden"] as const;
  const attention = [heads * headDim, `${layer}.heads`] as const;
  const shared = [kvHeads * headDim, `${layer}.kv_heads`] as const;
  const intermediate = [inner, `${layer}.intermediate`] as const;
  return [
    projection("self_attn.q_proj", hidden, attention, given.attention_bias),
    projection("self_attn.k_proj", hidden, shared, given.attention_bias),
    projection("self_attn.v_proj", hidden, shared, given.attention_bias),
    projection("self_attn.o_proj", attention, hidden, given.attention_bias),
    projection("mlp.gate_proj", hidden, intermediate, given.mlp_bias),
    projection("mlp.up_proj", hidden, intermediate, given.mlp_bias),
    projection("mlp.down_proj", intermediate, hidden, given.mlp_bias),
  ];
}

export default defineModel<z.output<typeof config>>({
  title: "Llama",
  config,
  tiny: {
    model_type: "llama",
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 16,
  },
  prefix: "model",
  layersKey: "num_hidden_layers",
  sizeKeys: decoderSizeKeys,
  biasKeys: { self_attn: "attention_bias", mlp: "mlp_bias" },
  dimensions: decoderDimensions,
  matrices: (given) => decoderMatrices(given, (layer) => layerMatrices(given, layer)),
  tensors: decoderNorms,
  tied: decoderTied,
  logits: decoderLogits,
  hidden: (given, weights, inputs, options) => {
    const activate = activations[given.hidden_act]!;
    return decoder(given, weights, inputs, options, {
      queries: (role, x) => [
        weights.linear(`${role}.q_proj`, x),
        weights.linear(`${role}.k_proj`, x),
        weights.linear(`${role}.v_proj`, x),
      ],
      gated: (role, x) =>
        mul(activate(weights.linear(`${role}.gate_proj`, x)), weights.linear(`${role}.up_proj`, x)),
    });
  },
});
