/**
 * RoBERTa (Liu et al. 2019): a BERT whose heads have other names, and whose positions begin after the number of the padding
 * token and skip padding.
 */
import * as z from "zod";
import { inertKeys, positiveInt } from "./config";
import { createEncoderFamily } from "./encoder";
import { checkBertHeads, createBertNames, createBertSettings, encoderKeys } from "./encoderConfig";
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
      ...createBertNames("roberta"),
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
      const settings = createBertSettings(config, config.pad_token_id + 1);
      const { dropout } = settings;
      return { ...settings, headActivation: "gelu", dropout: { ...dropout, pooler: dropout.score } };
    },
  ),
});
