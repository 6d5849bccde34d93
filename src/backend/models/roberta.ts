/**
 * RoBERTa (Liu et al. 2019): a BERT whose heads have other names, and whose positions begin after the number of the padding
 * token and skip padding.
 */
import * as z from "zod";
import { tanh } from "../graph/ops/elementwise";
import { inertKeys, positiveInt } from "./config";
import { createEncoderFamily } from "./encoder";
import { checkBertHeads, encoderKeys } from "./encoderConfig";
import { defineModel } from "./family";

const configSchema = z
  .strictObject({
    model_type: z.literal("roberta"),
    ...inertKeys,
    ...encoderKeys,
    max_position_embeddings: positiveInt
      .default(512)
      .describe("Rows of the table of positions; the longest sequence is shorter by `pad_token_id` + 1."),
    pad_token_id: z.int().min(0).default(1).describe("Padding token; positions begin after its number."),
  })
  .superRefine((value, context) => {
    checkBertHeads(value, context);
    if (value.max_position_embeddings > value.pad_token_id + 1) return;
    context.addIssue({
      code: "custom",
      path: ["max_position_embeddings"],
      message: `the first ${value.pad_token_id + 1} positions are not used (pad_token_id ${value.pad_token_id}), so that at least ${value.pad_token_id + 2} are needed`,
      input: value,
    });
  });

type Config = z.output<typeof configSchema>;

export default defineModel<Config>({
  title: "RoBERTa",
  config: configSchema,
  tiny: {
    model_type: "roberta",
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    max_position_embeddings: 18,
    mask_token_id: 11,
  },
  keys: { context: "max_position_embeddings", layers: "num_hidden_layers" },
  sizeKeys: { width: "hidden_size", intermediate: "intermediate_size", coupledHeads: "num_attention_heads" },
  unread: /(^|\.)(position_ids|pooler\.dense\.(weight|bias))$/,
  skipsPadding: true,
  ...createEncoderFamily<Config>(
    {
      prefix: "roberta",
      layers: "roberta.encoder.layer",
      queries: ["attention.self.query", "attention.self.key", "attention.self.value"],
      output: "attention.output.dense",
      up: "intermediate.dense",
      down: "output.dense",
      attentionNorm: "attention.output.LayerNorm",
      feedForwardNorm: "output.LayerNorm",
      head: {
        transform: "lm_head.dense",
        norm: "lm_head.layer_norm",
        bias: "lm_head.bias",
      },
      tied: ["lm_head.decoder.weight", "lm_head.decoder.bias"],
      classes: { pooler: "classifier.dense", score: "classifier.out_proj" },
      className: "Roberta",
    },
    (config) => {
      const { num_attention_heads: heads, hidden_size: width, hidden_dropout_prob: rate } = config;
      const unusedPositions = config.pad_token_id + 1;
      const classifierRate = config.classifier_dropout ?? rate;
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
        headActivation: "gelu",
        pool: tanh,
        types: config.type_vocab_size,
        unusedPositions,
        dropout: {
          embeddings: rate,
          attention: config.attention_probs_dropout_prob,
          attentionOutput: rate,
          feedForwardOutput: rate,
          pooler: classifierRate,
          score: classifierRate,
        },
      };
    },
  ),
});
