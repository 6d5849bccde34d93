/** What the configurations of bert and roberta share: keys, names and settings; and the rule between heads and width of an encoder. */
import * as z from "zod";
import { tanh } from "../graph/ops/elementwise";
import { activationNames, allowOnly, defineInert, dropoutRate, positiveInt } from "./config";
import type { EncoderNames, EncoderSettings } from "./encoder";
import type { Complete } from "./family";

export const maskTokenKey = z
  .int()
  .min(0)
  .optional()
  .describe(
    "Token that replaces masked tokens in training; the tokenizer's `[MASK]` or `<mask>` when left out.",
  );

export const encoderKeys = {
  hidden_size: positiveInt.default(768).describe("Width of the residual stream."),
  num_hidden_layers: positiveInt.default(12).describe("Encoder layers."),
  num_attention_heads: positiveInt.default(12).describe("Attention heads."),
  intermediate_size: positiveInt.default(3072).describe("Width of the feed-forward layer."),
  hidden_act: z
    .enum(activationNames)
    .default("gelu")
    .describe("Activation of the feed-forward layer and the head."),
  hidden_dropout_prob: dropoutRate
    .default(0.1)
    .describe("Dropout of the embeddings and of each block's output."),
  attention_probs_dropout_prob: dropoutRate.default(0.1).describe("Dropout of attention weights."),
  classifier_dropout: dropoutRate
    .nullable()
    .optional()
    .describe("Dropout before a classifier; `hidden_dropout_prob` when left out."),
  max_position_embeddings: positiveInt.default(512).describe("Longest sequence."),
  type_vocab_size: positiveInt.default(2).describe("Token types: 0, and 1 in the second text of a pair."),
  initializer_range: z.number().positive().default(0.02).describe("Standard deviation of initial weights."),
  layer_norm_eps: z.number().positive().default(1e-12).describe("Added to the variance in norms."),
  tie_word_embeddings: allowOnly([true], "the head is the token embedding"),
  position_embedding_type: allowOnly(["absolute"], "positions are learned, not relative"),
  mask_token_id: maskTokenKey,
  is_decoder: allowOnly([false], "attention is bidirectional"),
  add_cross_attention: allowOnly([false], "there is no second text to attend to"),
  gradient_checkpointing: defineInert(),
};

/** Reports at the key of the heads if they do not divide the width. */
export function checkEncoderHeads(
  [headsKey, heads]: readonly [key: string, heads: number],
  [widthKey, width]: readonly [key: string, width: number],
  context: z.RefinementCtx,
): void {
  if (width % heads === 0) return;
  context.addIssue({
    code: "custom",
    path: [headsKey],
    message: `${heads} heads do not divide the width ${widthKey} ${width}; choose a divisor of it`,
    input: heads,
  });
}

interface EncoderHeads {
  readonly hidden_size: number;
  readonly num_attention_heads: number;
}

export function checkBertHeads(
  { hidden_size: width, num_attention_heads: heads }: EncoderHeads,
  context: z.RefinementCtx,
): void {
  checkEncoderHeads(["num_attention_heads", heads], ["hidden_size", width], context);
}

/** Names below the prefix of the family. */
export const createBertNames = (prefix: string) =>
  ({
    prefix,
    layers: `${prefix}.encoder.layer`,
    queries: ["attention.self.query", "attention.self.key", "attention.self.value"],
    output: "attention.output.dense",
    up: "intermediate.dense",
    down: "output.dense",
    attentionNorm: "attention.output.LayerNorm",
    feedForwardNorm: "output.LayerNorm",
  }) as const satisfies Partial<EncoderNames>;

type BertConfig = Complete<z.output<z.ZodObject<typeof encoderKeys>>>;

/** The settings of a BERT whose table of positions begins with `unusedPositions` other rows. */
export function createBertSettings(config: BertConfig, unusedPositions = 0): EncoderSettings {
  const { num_attention_heads: heads, hidden_size: width, hidden_dropout_prob: rate } = config;
  return {
    dimensions: {
      vocabulary: config.vocab_size,
      context: config.max_position_embeddings - unusedPositions,
      layers: config.num_hidden_layers,
      width,
      heads,
      kvHeads: heads,
      headDim: width / heads,
    },
    channels: config.intermediate_size,
    epsilon: config.layer_norm_eps,
    std: config.initializer_range,
    activation: config.hidden_act,
    headActivation: config.hidden_act,
    pool: tanh,
    types: config.type_vocab_size,
    unusedPositions,
    dropout: {
      embeddings: rate,
      attention: config.attention_probs_dropout_prob,
      attentionOutput: rate,
      feedForwardOutput: rate,
      score: config.classifier_dropout ?? rate,
    },
  };
}
