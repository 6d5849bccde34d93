/** Keys of the configurations of decoders, and the rules between them. */
import * as z from "zod";
import { activationNames, dropoutRate, positiveInt } from "./config";
import {
  checkRotary,
  countRotated,
  createRopeKeys,
  type RotaryConfig,
  type TypeNames,
  wholeRotary,
} from "./rotary";

/** Keys that all decoders with RMS norms and rotary positions share, apart from the rotary ones. */
export const bareDecoderKeys = {
  hidden_size: positiveInt.describe("Width of the residual stream."),
  intermediate_size: positiveInt.describe("Width of the feed-forward layer."),
  num_hidden_layers: positiveInt.default(32).describe("Decoder layers."),
  num_attention_heads: positiveInt.default(32).describe("Query heads."),
  num_key_value_heads: positiveInt
    .nullable()
    .optional()
    .describe("Key and value heads; as many as query heads when left out."),
  head_dim: positiveInt
    .nullable()
    .optional()
    .describe("Channels per head; the width divided by the number of heads when left out."),
  hidden_act: z.enum(activationNames).default("silu").describe("Activation of the gate."),
  max_position_embeddings: positiveInt.describe("Longest sequence."),
  initializer_range: z.number().positive().default(0.02).describe("Standard deviation of initial weights."),
  rms_norm_eps: z.number().positive().describe("Added to the mean square in norms."),
  tie_word_embeddings: z.boolean().default(false).describe("Whether the head is the token embedding."),
  attention_dropout: dropoutRate.default(0).describe("Dropout of attention weights."),
};

/** The same with rotary keys of all types, on all channels of a head. */
export const decoderKeys = { ...bareDecoderKeys, ...createRopeKeys(), partial_rotary_factor: wholeRotary };

interface HeadSizes {
  readonly hidden_size: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads?: number | null | undefined;
  readonly head_dim?: number | null | undefined;
}

export function resolveHeadSizes(config: HeadSizes) {
  const heads = config.num_attention_heads;
  return {
    heads,
    kvHeads: config.num_key_value_heads ?? heads,
    headDim: config.head_dim ?? config.hidden_size / heads,
  };
}

/** Rules between the numbers of heads and the width, reported at the key to change. */
export function checkHeadSizes(config: HeadSizes, context: z.RefinementCtx): void {
  const { heads, kvHeads, headDim } = resolveHeadSizes(config);
  if (!Number.isInteger(headDim))
    context.addIssue({
      code: "custom",
      path: ["num_attention_heads"],
      message: `${heads} heads do not divide the width hidden_size ${config.hidden_size}; choose a divisor of it`,
      input: config,
    });
  if (heads % kvHeads !== 0)
    context.addIssue({
      code: "custom",
      path: ["num_key_value_heads"],
      message: `${kvHeads} key and value heads do not divide the ${heads} query heads; choose a divisor of ${heads}`,
      input: config,
    });
}

/** The same with the rules of rotary attention. */
export function checkHeads(
  config: HeadSizes & RotaryConfig,
  context: z.RefinementCtx,
  typeNames?: TypeNames,
): void {
  checkHeadSizes(config, context);
  const { headDim } = resolveHeadSizes(config);
  if (!Number.isInteger(headDim)) return;
  if (headDim % 2 !== 0 && countRotated(config, headDim) === headDim)
    context.addIssue({
      code: "custom",
      path: [config.head_dim == null ? "num_attention_heads" : "head_dim"],
      message: `heads of ${headDim} channels cannot be rotated in pairs; the channels of a head have to be even`,
      input: config,
    });
  else checkRotary(config, headDim, context, typeNames);
}
