/** kphi-3 (Schwarz Schuler and Rojas Gómez, 2025): Phi-3 whose projections are grouped pointwise convolution blocks. */
import * as z from "zod";
import { defineInert, positiveInt } from "./config";
import { checkHeads } from "./decoderConfig";
import { createRopeKeys, wholeRotary } from "./rotary";
import { defineModel } from "./family";
import { createPhi3Decoder, longRopeNames, phi3Keys } from "./phi3";

/** The published code accepts no other settings of scaled frequencies. */
const scalingKeys = ["type", "short_factor", "long_factor"];

const configSchema = z
  .strictObject({
    model_type: z.literal("kphi3"),
    ...phi3Keys,
    ...createRopeKeys({ types: ["default", "longrope"], typeNames: longRopeNames }),
    rope_parameters: z
      .null({ error: "the published code does not read it; write rope_theta and rope_scaling" })
      .optional()
      .describe("Not supported: the published code reads `rope_theta` and `rope_scaling`."),
    original_max_position_embeddings: phi3Keys.original_max_position_embeddings,
    intermediate_size: phi3Keys.intermediate_size.unwrap().default(9216),
    num_hidden_layers: phi3Keys.num_hidden_layers.unwrap().default(3),
    max_position_embeddings: phi3Keys.max_position_embeddings.unwrap().default(128_000),
    partial_rotary_factor: wholeRotary,
    sliding_window: positiveInt
      .nullable()
      .optional()
      .describe(
        "Only null, or at least `max_position_embeddings`, which has no effect: the published code applies a window only with FlashAttention.",
      ),
    min_channels_per_group: phi3Keys.min_channels_per_group
      .unwrap()
      .default(256)
      .describe(
        "Minimum number of input channels per group of the grouped projections; negative for dense projections.",
      ),
    embed_size: z
      .int()
      .positive()
      .optional()
      .describe("Width of the embeddings; only the width of the model is supported."),
    do_layer_norm_before: defineInert("Present in published files; ignored."),
    ffn_dim: defineInert("Present in published files; ignored."),
  })
  .superRefine((value, context) => {
    checkHeads(value, context, longRopeNames);
    for (const [key, setting] of Object.entries(value.rope_scaling ?? {}))
      if (!scalingKeys.includes(key) && setting != null)
        context.addIssue({
          code: "custom",
          path: ["rope_scaling", key],
          message: `the published code reads only ${scalingKeys.join(", ")}; remove ${key}`,
          input: setting,
        });
    const { sliding_window: window, max_position_embeddings: longest } = value;
    if (window != null && window < longest)
      context.addIssue({
        code: "custom",
        path: ["sliding_window"],
        message: `only null, or at least max_position_embeddings ${longest}, is supported: the published code applies a window with FlashAttention alone, so its results would differ`,
        input: window,
      });
    if (value.embed_size !== undefined && value.embed_size !== value.hidden_size)
      context.addIssue({
        code: "custom",
        path: ["embed_size"],
        message: `embed_size has to equal hidden_size ${value.hidden_size}: embeddings of another width are not built`,
        input: value,
      });
  });

/** The width that `modeling_kphi3.py` takes for 3072 where it is missing. */
export function describeEmbeddings(config: Readonly<Record<string, unknown>>): {
  readonly embed_size: unknown;
} {
  return { embed_size: config["hidden_size"] };
}

/** Where `transformers` finds the classes of an architecture, in the authors' files beside the weights. */
export function locatePublishedCode(architecture: string): Readonly<Record<string, string>> {
  const task = architecture.slice("KPhi3For".length);
  return {
    AutoConfig: "configuration_kphi3.KPhi3Config",
    [`AutoModelFor${task}`]: `modeling_kphi3.${architecture}`,
  };
}

export default defineModel<z.output<typeof configSchema>>({
  title: "kphi-3",
  config: configSchema,
  tiny: {
    model_type: "kphi3",
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    max_position_embeddings: 16,
    min_channels_per_group: 4,
  },
  ...createPhi3Decoder("KPhi3"),
});
