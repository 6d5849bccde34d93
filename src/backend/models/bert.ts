/** BERT (Devlin et al. 2019): an encoder with learned positions, norms after each block, and a head that predicts masked tokens. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { add, tanh } from "../graph/ops/elementwise";
import { addBias, matmul } from "../graph/ops/matmul";
import { reshape, slice } from "../graph/ops/movement";
import { layerNorm } from "../graph/ops/normalization";
import type { Value } from "../graph/op";
import type { MatrixSpec, ParameterSpec } from "../representations/representation";
import { activationNames, dropoutRate, defineInert, inertKeys, allowOnly, positiveInt } from "./config";
import { type Complete, defineModel, type ModelInputs, type Weights } from "./family";
import {
  activations,
  addPositions,
  attention,
  buildAttentionMask,
  createDropout,
  getTokens,
  finishHidden,
  listSectionLayers,
} from "./layers";
import * as spec from "./specs";

const configSchema = z
  .strictObject({
    model_type: z.literal("bert"),
    ...inertKeys,
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
    mask_token_id: z
      .int()
      .min(0)
      .optional()
      .describe(
        "Token that replaces masked tokens in training; the tokenizer's `[MASK]` or `<mask>` when left out.",
      ),
    is_decoder: allowOnly([false], "attention is bidirectional"),
    add_cross_attention: allowOnly([false], "there is no second text to attend to"),
    gradient_checkpointing: defineInert(),
  })
  .superRefine((value, context) => {
    if (value.hidden_size % value.num_attention_heads !== 0)
      context.addIssue({
        code: "custom",
        path: ["num_attention_heads"],
        message: `${value.num_attention_heads} heads do not divide the width hidden_size ${value.hidden_size}; choose a divisor of it`,
        input: value,
      });
  });

type Config = Complete<z.output<typeof configSchema>>;

const layerName = (layer: number): string => `bert.encoder.layer.${layer}`;
const [embeddings, transform] = ["bert.embeddings", "cls.predictions.transform"];
const headsOf = ({ hidden_size: width, num_attention_heads: heads }: Config) =>
  ({ heads, kvHeads: heads, headDim: width / heads }) as const;

function createLayerMatrices(config: Config, index: number): MatrixSpec[] {
  const [role, name] = [`layers.${index}`, layerName(index)];
  const [hidden, channels] = [
    spec.hiddenAxis(config.hidden_size),
    spec.channelsAxis(index, config.intermediate_size),
  ];
  const { queries, keys } = spec.createHeadAxes(index, headsOf(config));
  const kind = { layout: "out_in", bias: true, init: spec.normal(config.initializer_range) } as const;
  const self = `${name}.attention.self`;
  return [
    spec.defineMatrix(`${role}.self_attn.q_proj`, "query", `${self}.query`, {
      ...kind,
      axes: [hidden, queries],
    }),
    spec.defineMatrix(`${role}.self_attn.k_proj`, "key", `${self}.key`, { ...kind, axes: [hidden, keys] }),
    spec.defineMatrix(`${role}.self_attn.v_proj`, "value", `${self}.value`, {
      ...kind,
      axes: [hidden, keys],
    }),
    spec.defineMatrix(`${role}.self_attn.o_proj`, "attention output", `${name}.attention.output.dense`, {
      ...kind,
      axes: [queries, hidden],
    }),
    spec.defineMatrix(`${role}.mlp.up_proj`, "up", `${name}.intermediate.dense`, {
      ...kind,
      axes: [hidden, channels],
    }),
    spec.defineMatrix(`${role}.mlp.down_proj`, "down", `${name}.output.dense`, {
      ...kind,
      axes: [channels, hidden],
    }),
  ];
}

/** Creates a matrix of a head, from the residual stream to the output axis. */
function createHeadMatrix(
  config: Config,
  role: string,
  name: string,
  output: MatrixSpec["axes"][1],
): MatrixSpec {
  const axes = [spec.hiddenAxis(config.hidden_size), output] as const;
  const init = spec.normal(config.initializer_range);
  return spec.defineMatrix(role, "head", name, { layout: "out_in", kind: "head", bias: true, init, axes });
}

function createVocabularyBias({ vocab_size: tokens }: Config): ParameterSpec {
  return {
    ...spec.defineNorm("lm_head", "cls.predictions.bias", tokens, "zeros"),
    embedding: true,
    axes: [spec.vocabularyAxis(tokens)],
  };
}

function applyNorm(config: Config, weights: Weights, name: string, x: Value): Value {
  const [weight, bias] = [weights.tensor(`${name}.weight`), weights.tensor(`${name}.bias`)];
  return layerNorm(x, weight, bias, { epsilon: config.layer_norm_eps });
}

/** [batch · time, width], or [1, width] where every token has type 0. */
function embedTypes({ type_vocab_size: count }: Config, weights: Weights, { types }: ModelInputs): Value {
  if (types === undefined) return slice(weights.table("embed_types"), { axis: 0, start: 0, end: 1 });
  if (count < 2)
    throw new WorkbenchError(
      "invalid-input",
      `The tokenizer gives the second text of a pair token type 1, but the model has type_vocab_size ${count}. ` +
        "Set data.pair_separator to read each pair as one text.",
    );
  const [batch, time] = types.type.shape as [number, number];
  return weights.lookup("embed_types", reshape(types, { shape: [batch * time] }));
}

export default defineModel<z.output<typeof configSchema>>({
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
  mask: "bidirectional",
  prefix: "bert",
  layerName,
  oldNames: (name) =>
    name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta"),
  unread: /(^|\.)(position_ids|pooler\.dense\.(weight|bias)|seq_relationship\.(weight|bias))$/,
  dimensions: (config) => ({
    vocabulary: config.vocab_size,
    context: config.max_position_embeddings,
    layers: config.num_hidden_layers,
    width: config.hidden_size,
    ...headsOf(config),
  }),
  matrices: (config) => {
    const [hidden, init] = [spec.hiddenAxis(config.hidden_size), spec.normal(config.initializer_range)];
    const [tokens, positions] = [
      spec.vocabularyAxis(config.vocab_size),
      spec.positionsAxis(config.max_position_embeddings),
    ];
    const types = { kind: "types", units: config.type_vocab_size, unit: 1 } as const;
    return [
      spec.defineEmbedding(
        "embed_tokens",
        "token embedding",
        `${embeddings}.word_embeddings`,
        [tokens, hidden],
        init,
      ),
      spec.defineEmbedding(
        "embed_positions",
        "position embedding",
        `${embeddings}.position_embeddings`,
        [positions, hidden],
        init,
      ),
      spec.defineEmbedding(
        "embed_types",
        "type embedding",
        `${embeddings}.token_type_embeddings`,
        [types, hidden],
        init,
      ),
      ...spec.range(config.num_hidden_layers).flatMap((layer) => createLayerMatrices(config, layer)),
    ];
  },
  tensors: ({ hidden_size: width, num_hidden_layers: layers }) => [
    ...spec.defineLayerNorm("embed_norm", `${embeddings}.LayerNorm`, width),
    ...spec
      .range(layers)
      .flatMap((layer) => [
        ...spec.defineLayerNorm(
          `layers.${layer}.attention_norm`,
          `${layerName(layer)}.attention.output.LayerNorm`,
          width,
          layer,
        ),
        ...spec.defineLayerNorm(
          `layers.${layer}.mlp_norm`,
          `${layerName(layer)}.output.LayerNorm`,
          width,
          layer,
        ),
      ]),
  ],

  // Norms are part of the residual stream.
  inputSources: ({ num_hidden_layers: layers }) =>
    spec.range(layers).map((layer) => ({
      readers: [`layers.${layer}.self_attn.o_proj`],
      producer: { role: `layers.${layer}.self_attn.v_proj`, unit: 1, copies: 1 },
    })),
  hidden(config, weights, inputs, options) {
    const tokens = getTokens(inputs);
    const drop = createDropout(inputs);
    const attends = buildAttentionMask(inputs, "bidirectional");
    const activate = activations[config.hidden_act]!;
    const { hidden_dropout_prob: rate, attention_probs_dropout_prob: attentionRate } = config;
    const embed = () => {
      const types = embedTypes(config, weights, inputs);
      const embedded = addPositions(add(weights.lookup("embed_tokens", tokens.ids), types), weights, inputs);
      return drop(applyNorm(config, weights, `${embeddings}.LayerNorm`, embedded), rate);
    };
    let x = options.section?.state ?? embed();
    for (const layer of listSectionLayers(config.num_hidden_layers, options)) {
      const [role, name, start] = [`layers.${layer}`, layerName(layer), x];
      const project = (matrix: string) => weights.linear(`${role}.self_attn.${matrix}`, start);
      const mixed = attention([project("q_proj"), project("k_proj"), project("v_proj")], {
        tokens,
        ...headsOf(config),
        mask: "bidirectional",
        attends,
        dropout: drop,
        dropoutRate: attentionRate,
        block: options.attentionBlock,
        onBlock: options.onAttentionBlock,
        onWeights: options.onAttention,
      });
      const attended = drop(weights.linear(`${role}.self_attn.o_proj`, mixed), rate);
      x = applyNorm(config, weights, `${name}.attention.output.LayerNorm`, add(x, attended));
      const inner = activate(weights.linear(`${role}.mlp.up_proj`, x));
      x = applyNorm(
        config,
        weights,
        `${name}.output.LayerNorm`,
        add(x, drop(weights.linear(`${role}.mlp.down_proj`, inner), rate)),
      );
      options.onLayer?.(start, x);
    }
    const selected = finishHidden(x, options);
    if (config.num_labels === undefined || options.section?.to !== undefined) return selected;
    return drop(tanh(weights.linear("pooler", selected)), config.classifier_dropout ?? rate);
  },
  heads: {
    language: {
      architecture: "BertForMaskedLM",
      task: "masked-lm",
      matrices: (config) => [
        createHeadMatrix(
          config,
          "lm_head.transform",
          `${transform}.dense`,
          spec.hiddenAxis(config.hidden_size),
        ),
      ],
      tensors: (config) => [
        ...spec
          .defineLayerNorm("lm_head.norm", `${transform}.LayerNorm`, config.hidden_size)
          .map((norm) => ({ ...norm, embedding: true })),
        createVocabularyBias(config),
      ],
      tied: () => [
        ["cls.predictions.decoder.weight", `${embeddings}.word_embeddings.weight`],
        ["cls.predictions.decoder.bias", "cls.predictions.bias"],
      ],
      apply: (config, weights, hidden) => {
        const x = activations[config.hidden_act]!(weights.linear("lm_head.transform", hidden));
        const tokens = matmul(
          applyNorm(config, weights, `${transform}.LayerNorm`, x),
          weights.table("embed_tokens"),
          { transposeB: true },
        );
        return addBias(tokens, weights.tensor("cls.predictions.bias"));
      },
    },
    classes: {
      architecture: "BertForSequenceClassification",
      reads: "first",
      matrices: (config, classes) => [
        createHeadMatrix(config, "pooler", "bert.pooler.dense", spec.hiddenAxis(config.hidden_size)),
        createHeadMatrix(config, "score", "classifier", { kind: "classes", units: classes, unit: 1 }),
      ],
      apply: (_, weights, hidden) => weights.linear("score", hidden),
    },
  },
});
