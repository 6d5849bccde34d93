/** Phi-3 (Abdin et al. 2024): a llama whose q, k, v and whose gate and up are packed, without biases. */
import * as z from "zod";
import { mul } from "../graph/ops/elementwise";
import type { Value } from "../graph/op";
import type { MatrixSpec } from "../representations/representation";
import { groupedInits } from "../representations/grouped";
import {
  checkHeads,
  decoderKeys,
  dropoutRate,
  headSizes,
  inert,
  inertKeys,
  only,
  positiveInt,
} from "./config";
import {
  decoder,
  decoderDimensions,
  decoderLogits,
  decoderMatrices,
  decoderNorms,
  decoderSizeKeys,
  decoderTied,
} from "./decoder";
import { type Complete, defineModel, type RepresentationChoices } from "./family";
import { activations } from "./layers";
import { packed, range } from "./specs";

/** The keys of phi3 and of kphi3, which is phi3 with grouped projections. */
export const phi3Keys = {
  ...inertKeys,
  ...decoderKeys,
  hidden_size: decoderKeys.hidden_size.default(3072),
  intermediate_size: decoderKeys.intermediate_size.default(8192),
  max_position_embeddings: decoderKeys.max_position_embeddings.default(4096),
  rms_norm_eps: decoderKeys.rms_norm_eps.default(1e-5),
  original_max_position_embeddings: inert("Only about scaled rotary frequencies; not read."),
  resid_pdrop: dropoutRate.default(0).describe("Dropout of what each block adds."),
  embd_pdrop: dropoutRate.default(0).describe("Dropout of the embeddings."),
  sliding_window: positiveInt
    .nullable()
    .optional()
    .describe("How far back a token attends, itself included; without limit when left out."),
  partial_rotary_factor: only([1], "all channels of a head are rotated"),
  attention_bias: only([false], "the projections of Phi-3 have no biases"),
  min_channels_per_group: z
    .int()
    .refine((channels) => channels !== 0, {
      error: "a group needs at least one channel; -1 keeps projections dense",
    })
    .default(-1)
    .describe("Fewest input channels of a group of the grouped projections; negative keeps them dense."),
  init: z
    .enum(groupedInits)
    .default("paper")
    .describe("Initial weights of grouped projections: as published, or from the inputs of a group."),
};

const config = z.strictObject({ model_type: z.literal("phi3"), ...phi3Keys }).superRefine(checkHeads);

export type Phi3Config = Omit<z.output<typeof config>, "model_type">;

function layerMatrices(given: Complete<Phi3Config>, index: number): MatrixSpec[] {
  const { hidden_size: width, intermediate_size: inner } = given;
  const { heads, kvHeads, headDim } = headSizes(given);
  const layer = `layers.${index}`;
  const projection = (role: string, inputs: number, outputs: number, axes: readonly [string, string]) =>
    ({
      role: `${layer}.${role}`,
      name: `model.${layer}.${role}`,
      layout: "out_in",
      kind: "projection",
      bias: false,
      init: { kind: "normal", std: given.initializer_range },
      inputs,
      outputs,
      axes,
    }) as const;
  const [q, kv] = [heads * headDim, kvHeads * headDim];
  const [attention, shared, intermediate] = [`${layer}.heads`, `${layer}.kv_heads`, `${layer}.intermediate`];
  return [
    {
      ...projection("self_attn.qkv_proj", width, q + 2 * kv, ["hidden", `${layer}.qkv`]),
      ...packed([
        [`${layer}.self_attn.q_proj`, q, attention],
        [`${layer}.self_attn.k_proj`, kv, shared],
        [`${layer}.self_attn.v_proj`, kv, shared],
      ]),
    },
    projection("self_attn.o_proj", q, width, [attention, "hidden"]),
    {
      ...projection("mlp.gate_up_proj", width, 2 * inner, ["hidden", `${layer}.gate_up`]),
      ...packed([
        [`${layer}.mlp.gate_proj`, inner, intermediate],
        [`${layer}.mlp.up_proj`, inner, intermediate],
      ]),
    },
    projection("mlp.down_proj", inner, width, [intermediate, "hidden"]),
  ];
}

/** Grouped projections in every layer, where the configuration asks for them. */
function grouped(given: Complete<Phi3Config>): RepresentationChoices {
  if (given.min_channels_per_group < 0) return {};
  const options = { min_channels_per_group: given.min_channels_per_group, init: given.init };
  return Object.fromEntries(
    range(given.num_hidden_layers).flatMap((layer) =>
      ["self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj"].map((role) => [
        `layers.${layer}.${role}`,
        { type: "grouped", options },
      ]),
    ),
  );
}

/** Everything of the family but its name and its schema. */
export const phi3Decoder = {
  prefix: "model",
  layersKey: "num_hidden_layers",
  sizeKeys: decoderSizeKeys,
  dimensions: decoderDimensions,
  matrices: (given: Complete<Phi3Config>) => decoderMatrices(given, (layer) => layerMatrices(given, layer)),
  tensors: decoderNorms,
  tied: decoderTied,
  representations: grouped,
  logits: decoderLogits,
  hidden: (given, weights, inputs, options) => {
    const activate = activations[given.hidden_act]!;
    return decoder(given, weights, inputs, options, {
      queries: (role, x) => weights.parts(`${role}.qkv_proj`, x) as [Value, Value, Value],
      gated: (role, x) => {
        const [gate, up] = weights.parts(`${role}.gate_up_proj`, x) as [Value, Value];
        return mul(up, activate(gate));
      },
    });
  },
} satisfies Omit<Parameters<typeof defineModel<Phi3Config>>[0], "title" | "config" | "tiny">;

export default defineModel<z.output<typeof config>>({
  title: "Phi-3",
  config,
  tiny: {
    model_type: "phi3",
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 16,
  },
  ...phi3Decoder,
});
