/** SmolLM3 (Bakouch et al. 2025): a llama in which every fourth layer has no positions (NoPE, Yang et al. 2025). */
import * as z from "zod";
import { allowOnly, defineInert, inertKeys, positiveInt } from "./config";
import { checkHeads, decoderKeys } from "./decoderConfig";
import {
  alikeGrowth,
  buildDecoder,
  createDecoderFamily,
  createDecoderMatrices,
  createInputSources,
  projectSeparately,
  createSeparateProjections,
  rotateAlike,
  separateRoles,
  tinyDecoder,
} from "./decoder";
import { defineModel } from "./family";
import { activations } from "./layers";
import { range } from "./specs";

const configSchema = z
  .strictObject({
    model_type: z.literal("smollm3"),
    ...inertKeys,
    ...decoderKeys,
    hidden_size: decoderKeys.hidden_size.default(2048),
    intermediate_size: decoderKeys.intermediate_size.default(11008),
    num_hidden_layers: positiveInt.default(36).describe("Decoder layers."),
    num_attention_heads: positiveInt.default(16).describe("Query heads."),
    num_key_value_heads: decoderKeys.num_key_value_heads.default(4),
    max_position_embeddings: decoderKeys.max_position_embeddings.default(32768),
    rms_norm_eps: decoderKeys.rms_norm_eps.default(1e-6),
    rope_theta: decoderKeys.rope_theta
      .unwrap()
      .default(2_000_000)
      .describe("Base of the rotary frequencies."),
    tie_word_embeddings: z.boolean().default(true).describe("Whether the head is the token embedding."),
    attention_bias: z
      .boolean()
      .default(false)
      .describe("Whether q, k, v and the output projection have biases."),
    mlp_bias: z.boolean().default(false).describe("Whether the feed-forward layer has biases."),
    no_rope_layers: z
      .array(z.union([z.literal(0), z.literal(1)]))
      .nullable()
      .optional()
      .describe("For each layer 1 if it has rotary positions, else 0; in place of `no_rope_layer_interval`."),
    no_rope_layer_interval: positiveInt
      .default(4)
      .describe("Every layer of this number has no rotary positions."),
    use_sliding_window: allowOnly([false], "layers attend to all earlier tokens"),
    sliding_window: positiveInt.nullable().optional().describe("Unused without `use_sliding_window`."),
    layer_types: z
      .array(z.literal("full_attention"))
      .nullable()
      .optional()
      .describe("The attention of each layer: `full_attention`."),
    max_window_layers: defineInert("Present in published files; ignored."),
  })
  .superRefine((value, context) => {
    checkHeads(value, context);
    for (const key of ["no_rope_layers", "layer_types"] as const) {
      const { length } = value[key] ?? { length: value.num_hidden_layers };
      if (length !== value.num_hidden_layers)
        context.addIssue({
          code: "custom",
          path: [key],
          message: `it has ${length} entries for ${value.num_hidden_layers} layers; write one for each`,
          input: value[key],
        });
    }
  });

type Config = z.output<typeof configSchema>;

/** For each layer 1 if it has rotary positions, else 0. */
export const listRotated = (config: Config): readonly (0 | 1)[] =>
  config.no_rope_layers ??
  range(config.num_hidden_layers).map((layer) => ((layer + 1) % config.no_rope_layer_interval === 0 ? 0 : 1));

export default defineModel<Config>({
  title: "SmolLM3",
  config: configSchema,
  tiny: { model_type: "smollm3", ...tinyDecoder, no_rope_layer_interval: 2, tie_word_embeddings: false },
  ...createDecoderFamily<Config>("SmolLM3"),
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
  keepLayers: (config, layers) => ({
    no_rope_layers: layers.map((layer) => listRotated(config)[layer]!),
    ...(config.layer_types == null ? {} : { layer_types: layers.map(() => "full_attention" as const) }),
  }),
  longestGrowth: (config) => alikeGrowth(config),
  inputSources: (config) => createInputSources(config, separateRoles),
  hidden: (config, weights, inputs, options) => {
    const rotated = listRotated(config);
    const { frequencies } = rotateAlike(config);
    return buildDecoder({ ...config, sliding_window: null }, weights, inputs, options, {
      ...projectSeparately(weights, activations[config.hidden_act]!),
      frequencies: (layer) => (rotated[layer] === 1 ? frequencies(layer) : undefined),
      window: () => null,
    });
  },
});
