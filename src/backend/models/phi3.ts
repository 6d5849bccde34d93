/** Phi-3 (Abdin et al. 2024): a llama with packed q, k, v and packed gate and up projections, without biases. */
import * as z from "zod";
import { mul } from "../graph/ops/elementwise";
import type { Value } from "../graph/op";
import type { MatrixSpec } from "../representations/representation";
import { groupedInits } from "../representations/grouped";
import { allowOnly, dropoutRate, inertKeys, positiveInt } from "./config";
import { bareDecoderKeys as decoderKeys, checkHeads } from "./decoderConfig";
import { createRopeKeys, partialFactor, type RotaryConfig } from "./rotary";
import {
  alikeGrowth,
  buildDecoder,
  createDecoderFamily,
  createDecoderMatrices,
  createInputSources,
  createLayerAxes,
  rotateAlike,
  tinyDecoder,
} from "./decoder";
import { type Complete, defineModel, type RepresentationChoices } from "./family";
import { activations } from "./layers";
import { defineMatrix, normal, definePackedMatrix } from "./specs";

/** Names that transformers reads as `longrope` in a phi3. */
export const longRopeNames = { su: "longrope", yarn: "longrope" } as const;

/** The keys of phi3 and of kphi3, which is phi3 with grouped projections. */
export const phi3Keys = {
  ...inertKeys,
  ...decoderKeys,
  ...createRopeKeys({
    types: ["default", "longrope"],
    typeNames: longRopeNames,
    partial: partialFactor.optional(),
  }),
  hidden_size: decoderKeys.hidden_size.default(3072),
  intermediate_size: decoderKeys.intermediate_size.default(8192),
  max_position_embeddings: decoderKeys.max_position_embeddings.default(4096),
  rms_norm_eps: decoderKeys.rms_norm_eps.default(1e-5),
  original_max_position_embeddings: positiveInt
    .default(4096)
    .describe("Longest sequence with the factors `short_factor`; longer ones have `long_factor`."),
  resid_pdrop: dropoutRate.default(0).describe("Dropout of each block's output."),
  embd_pdrop: dropoutRate.default(0).describe("Dropout of the embeddings."),
  sliding_window: positiveInt
    .nullable()
    .optional()
    .describe("Number of tokens to which a token attends, including itself; unlimited when left out."),
  partial_rotary_factor: partialFactor
    .default(1)
    .describe("Share of the channels of a head that are rotated."),
  attention_bias: allowOnly([false], "the projections of Phi-3 have no biases"),
  min_channels_per_group: z
    .int()
    .refine((channels) => channels !== 0, {
      error: "a group needs at least one channel; -1 keeps projections dense",
    })
    .default(-1)
    .describe(
      "Minimum number of input channels per group of the grouped projections; negative for dense projections.",
    ),
  init: z
    .enum(groupedInits)
    .default("paper")
    .describe("Initial weights of grouped projections: as published, or from the inputs of a group."),
};

const configSchema = z
  .strictObject({ model_type: z.literal("phi3"), ...phi3Keys })
  .superRefine((value, context) => checkHeads(value, context, longRopeNames));

export type Phi3Config = Omit<
  z.output<typeof configSchema>,
  "model_type" | "original_max_position_embeddings" | "partial_rotary_factor"
> &
  Pick<RotaryConfig, "original_max_position_embeddings" | "partial_rotary_factor">;

function createLayerMatrices(config: Complete<Phi3Config>, index: number): MatrixSpec[] {
  const { hidden, queries, keys, channels } = createLayerAxes(config, index);
  const [attention, mlp] = [`layers.${index}.self_attn`, `layers.${index}.mlp`];
  const kind = { layout: "out_in", init: normal(config.initializer_range) } as const;
  return [
    definePackedMatrix(`${attention}.qkv_proj`, `model.${attention}.qkv_proj`, { ...kind, input: hidden }, [
      [`${attention}.q_proj`, "query", queries],
      [`${attention}.k_proj`, "key", keys],
      [`${attention}.v_proj`, "value", keys],
    ]),
    defineMatrix(`${attention}.o_proj`, "attention output", `model.${attention}.o_proj`, {
      ...kind,
      axes: [queries, hidden],
    }),
    definePackedMatrix(`${mlp}.gate_up_proj`, `model.${mlp}.gate_up_proj`, { ...kind, input: hidden }, [
      [`${mlp}.gate_proj`, "gate", channels],
      [`${mlp}.up_proj`, "up", channels],
    ]),
    defineMatrix(`${mlp}.down_proj`, "down", `model.${mlp}.down_proj`, { ...kind, axes: [channels, hidden] }),
  ];
}

/** Grouped projections in every layer, if the configuration enables them. */
function chooseGroupedRepresentations(config: Complete<Phi3Config>): RepresentationChoices {
  if (config.min_channels_per_group < 0) return {};
  const options = { min_channels_per_group: config.min_channels_per_group, init: config.init };
  return Object.fromEntries(
    createPhi3Matrices(config)
      .filter(({ kind }) => kind === "projection")
      .map(({ role }) => [role, { type: "grouped", options }]),
  );
}

const createPhi3Matrices = (config: Complete<Phi3Config>): MatrixSpec[] =>
  createDecoderMatrices(config, (layer) => createLayerMatrices(config, layer));

/** The family without its title and schema; `name` is the prefix of its class names. */
export const createPhi3Decoder = (name: string) =>
  ({
    ...createDecoderFamily<Phi3Config>(name),
    matrices: createPhi3Matrices,
    longestGrowth: (config) => alikeGrowth(config, longRopeNames),
    representations: chooseGroupedRepresentations,
    inputSources: (config) => createInputSources(config, { queries: ["qkv_proj"], gated: ["gate_up_proj"] }),
    hidden: (config, weights, inputs, options) => {
      const activate = activations[config.hidden_act]!;
      return buildDecoder(config, weights, inputs, options, {
        ...rotateAlike(config, longRopeNames),
        queries: (role, x) => weights.parts(`${role}.qkv_proj`, x) as [Value, Value, Value],
        gated: (role, x) => {
          const [gate, up] = weights.parts(`${role}.gate_up_proj`, x) as [Value, Value];
          return mul(up, activate(gate));
        },
      });
    },
  }) satisfies Omit<Parameters<typeof defineModel<Phi3Config>>[0], "title" | "config" | "tiny">;

export default defineModel<z.output<typeof configSchema>>({
  title: "Phi-3",
  config: configSchema,
  tiny: { model_type: "phi3", ...tinyDecoder },
  ...createPhi3Decoder("Phi3"),
});
