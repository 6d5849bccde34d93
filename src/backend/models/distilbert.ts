/** DistilBERT (Sanh et al. 2019): a BERT without token types, of half the layers. */
import * as z from "zod";
import { relu } from "../graph/ops/elementwise";
import { activationNames, allowOnly, defineInert, dropoutRate, inertKeys, positiveInt } from "./config";
import { createEncoderFamily } from "./encoder";
import { checkEncoderHeads, maskTokenKey } from "./encoderConfig";
import { defineModel } from "./family";

const configSchema = z
  .strictObject({
    model_type: z.literal("distilbert"),
    ...inertKeys,
    dim: positiveInt.default(768).describe("Width of the residual stream."),
    n_layers: positiveInt.default(6).describe("Encoder layers."),
    n_heads: positiveInt.default(12).describe("Attention heads."),
    hidden_dim: positiveInt.default(3072).describe("Width of the feed-forward layer."),
    activation: z
      .enum(activationNames)
      .default("gelu")
      .describe("Activation of the feed-forward layer and the head."),
    dropout: dropoutRate
      .default(0.1)
      .describe("Dropout of the embeddings and of the output of the feed-forward layer."),
    attention_dropout: dropoutRate.default(0.1).describe("Dropout of attention weights."),
    seq_classif_dropout: dropoutRate.default(0.2).describe("Dropout before a classifier."),
    qa_dropout: defineInert("Applies to question answering only; ignored."),
    max_position_embeddings: positiveInt.default(512).describe("Longest sequence."),
    sinusoidal_pos_embds: defineInert("Determines initial weights, which files contain; ignored."),
    initializer_range: z.number().positive().default(0.02).describe("Standard deviation of initial weights."),
    tie_word_embeddings: allowOnly([true], "the head is the token embedding"),
    tie_weights_: defineInert("Old name of `tie_word_embeddings`; ignored."),
    mask_token_id: maskTokenKey,
  })
  .superRefine(({ dim, n_heads: heads }, context) =>
    checkEncoderHeads(["n_heads", heads], ["dim", dim], context),
  );

type Config = z.output<typeof configSchema>;

export default defineModel<Config>({
  title: "DistilBERT",
  config: configSchema,
  tiny: {
    model_type: "distilbert",
    vocab_size: 32,
    dim: 16,
    hidden_dim: 24,
    n_layers: 2,
    n_heads: 2,
    max_position_embeddings: 16,
    mask_token_id: 11,
  },
  keys: { context: "max_position_embeddings", layers: "n_layers" },
  aliases: { hidden_size: "dim", num_attention_heads: "n_heads", num_hidden_layers: "n_layers" },
  sizeKeys: { width: "dim", intermediate: "hidden_dim", coupledHeads: "n_heads" },
  unread: /(^|\.)position_ids$/,
  ...createEncoderFamily<Config>(
    {
      prefix: "distilbert",
      layers: "distilbert.transformer.layer",
      queries: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
      output: "attention.out_lin",
      up: "ffn.lin1",
      down: "ffn.lin2",
      attentionNorm: "sa_layer_norm",
      feedForwardNorm: "output_layer_norm",
      head: { transform: "vocab_transform", norm: "vocab_layer_norm", bias: "vocab_projector.bias" },
      tied: ["vocab_projector.weight", "vocab_projector.bias"],
      classes: { pooler: "pre_classifier", score: "classifier" },
      className: "DistilBert",
    },
    (config) => {
      const { n_heads: heads, dim: width } = config;
      return {
        dimensions: {
          vocabulary: config.vocab_size,
          context: config.max_position_embeddings,
          layers: config.n_layers,
          width,
          heads,
          kvHeads: heads,
          headDim: width / heads,
        },
        channels: config.hidden_dim,
        epsilon: 1e-12,
        std: config.initializer_range,
        activation: config.activation,
        headActivation: config.activation,
        pool: relu,
        types: undefined,
        unusedPositions: 0,
        dropout: {
          embeddings: config.dropout,
          attention: config.attention_dropout,
          attentionOutput: 0,
          feedForwardOutput: config.dropout,
          score: config.seq_classif_dropout,
        },
      };
    },
  ),
});
