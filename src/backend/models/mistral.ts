/** Mistral (Jiang et al. 2023): a llama without biases, whose layers may attend to a window of earlier tokens. */
import * as z from "zod";
import { inertKeys, positiveInt } from "./config";
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
    model_type: z.literal("mistral"),
    ...inertKeys,
    ...decoderKeys,
    hidden_size: decoderKeys.hidden_size.default(4096),
    intermediate_size: decoderKeys.intermediate_size.default(14336),
    num_key_value_heads: decoderKeys.num_key_value_heads.default(8),
    max_position_embeddings: decoderKeys.max_position_embeddings.default(131072),
    rms_norm_eps: decoderKeys.rms_norm_eps.default(1e-6),
    sliding_window: positiveInt
      .nullable()
      .default(4096)
      .describe("Number of tokens to which a token attends, including itself; null for all earlier tokens."),
  })
  .superRefine((value, context) => checkHeads(value, context));

type Config = z.output<typeof configSchema>;

export default defineModel<Config>({
  title: "Mistral",
  config: configSchema,
  tiny: { model_type: "mistral", ...tinyDecoder, sliding_window: 5 },
  ...createDecoderFamily<Config>("Mistral"),
  matrices: (config) =>
    createDecoderMatrices(config, (layer) =>
      createSeparateProjections(config, layer, { queries: false, output: false, feedForward: false }),
    ),
  longestGrowth: (config) => alikeGrowth(config),
  inputSources: (config) => createInputSources(config, separateRoles),
  hidden: (config, weights, inputs, options) =>
    buildDecoder(config, weights, inputs, options, {
      ...projectSeparately(weights, activations[config.hidden_act]!),
      ...rotateAlike(config),
    }),
});
