/** BERT (Devlin et al. 2019): an encoder with learned positions, norms after each block, and a head that predicts masked tokens. */
import * as z from "zod";
import { inertKeys } from "./config";
import { createEncoderFamily } from "./encoder";
import { checkBertHeads, createBertNames, createBertSettings, encoderKeys } from "./encoderConfig";
import { defineModel } from "./family";

const configSchema = z
  .strictObject({ model_type: z.literal("bert"), ...inertKeys, ...encoderKeys })
  .superRefine(checkBertHeads);

type Config = z.output<typeof configSchema>;

export default defineModel<Config>({
  title: "BERT",
  config: configSchema,
  tiny: {
    model_type: "bert",
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    max_position_embeddings: 16,
    mask_token_id: 11,
  },
  keys: { context: "max_position_embeddings", layers: "num_hidden_layers" },
  sizeKeys: { width: "hidden_size", intermediate: "intermediate_size", coupledHeads: "num_attention_heads" },
  oldNames: (name) =>
    name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta"),
  unread: /(^|\.)(position_ids|pooler\.dense\.(weight|bias)|seq_relationship\.(weight|bias))$/,
  ...createEncoderFamily<Config>(
    {
      ...createBertNames("bert"),
      head: {
        transform: "cls.predictions.transform.dense",
        norm: "cls.predictions.transform.LayerNorm",
        bias: "cls.predictions.bias",
      },
      tied: ["cls.predictions.decoder.weight", "cls.predictions.decoder.bias"],
      classes: { pooler: "bert.pooler.dense", score: "classifier" },
      className: "Bert",
    },
    (config) => createBertSettings(config),
  ),
});
