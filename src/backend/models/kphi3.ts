/** kphi-3 (Schwarz Schuler and Rojas Gómez, 2025): Phi-3 whose projections are grouped pointwise convolution blocks. */
import * as z from "zod";
import { defineInert } from "./config";
import { checkHeads } from "./decoderConfig";
import { createRopeKeys, wholeRotary } from "./rotary";
import { defineModel } from "./family";
import { createPhi3Decoder, phi3Keys } from "./phi3";

const configSchema = z
  .strictObject({
    model_type: z.literal("kphi3"),
    ...phi3Keys,
    // The published code has scaled frequencies too, but with a release of transformers that this one differs from.
    ...createRopeKeys({ types: ["default"] }),
    partial_rotary_factor: wholeRotary,
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
    checkHeads(value, context);
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
