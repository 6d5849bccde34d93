/** GPT-2 (Radford et al. 2019): learned positions, layer norms before each block, packed q, k and v, and a tied head. */
import * as z from "zod";
import { add } from "../graph/ops/elementwise";
import { layerNorm } from "../graph/ops/normalization";
import type { Value } from "../graph/op";
import type { MatrixSpec } from "../representations/representation";
import { activationNames, dropoutRate, defineInert, inertKeys, allowOnly, positiveInt } from "./config";
import { type Complete, defineModel, type InputSource } from "./family";
import {
  activations,
  addPositions,
  attention,
  buildAttentionMask,
  getLayerCache,
  createDropout,
  getTokens,
  finishHidden,
  listSectionLayers,
} from "./layers";
import {
  createCausalHead,
  channelsAxis,
  defineEmbedding,
  createHeadAxes,
  hiddenAxis,
  createLastTokenHead,
  defineLayerNorm,
  defineMatrix,
  normal,
  definePackedMatrix,
  positionsAxis,
  range,
  vocabularyAxis,
} from "./specs";

const configSchema = z
  .strictObject({
    model_type: z.literal("gpt2"),
    ...inertKeys,
    n_positions: positiveInt.default(1024).describe("Longest sequence."),
    n_embd: positiveInt.default(768).describe("Width of the residual stream."),
    n_layer: positiveInt.default(12).describe("Decoder layers."),
    n_head: positiveInt.default(12).describe("Attention heads."),
    n_inner: positiveInt
      .nullable()
      .optional()
      .describe("Width of the feed-forward layer; four times `n_embd` when left out."),
    activation_function: z
      .enum(activationNames)
      .default("gelu_new")
      .describe("Activation of the feed-forward layer."),
    resid_pdrop: dropoutRate.default(0.1).describe("Dropout of each block's output."),
    embd_pdrop: dropoutRate.default(0.1).describe("Dropout of the embeddings."),
    attn_pdrop: dropoutRate.default(0.1).describe("Dropout of attention weights."),
    layer_norm_epsilon: z.number().positive().default(1e-5).describe("Added to the variance in norms."),
    initializer_range: z.number().positive().default(0.02).describe("Standard deviation of initial weights."),
    tie_word_embeddings: z.boolean().default(true).describe("Whether the head is the token embedding."),
    n_ctx: defineInert("Old name of `n_positions`; ignored."),
    scale_attn_weights: allowOnly([true], "scores are always divided by the root of the head width"),
    scale_attn_by_inverse_layer_idx: allowOnly([false], "attention is not scaled by layer"),
    reorder_and_upcast_attn: defineInert("Affects half precision only; ignored."),
    add_cross_attention: allowOnly([false], "there is no encoder to attend to"),
    summary_type: defineInert(),
    summary_use_proj: defineInert(),
    summary_activation: defineInert(),
    summary_proj_to_labels: defineInert(),
    summary_first_dropout: defineInert(),
  })
  .superRefine((value, context) => {
    if (value.n_embd % value.n_head !== 0)
      context.addIssue({
        code: "custom",
        path: ["n_head"],
        message: `${value.n_head} heads do not divide the width n_embd ${value.n_embd}; choose a divisor of it`,
        input: value,
      });
  });

type Config = Complete<z.output<typeof configSchema>>;

function createLayerMatrices(config: Config, index: number): MatrixSpec[] {
  const { n_embd: width, n_head: heads } = config;
  const init = normal(config.initializer_range);
  // Divide the initial standard deviation of residual projections by the square root of their number.
  const added = normal(config.initializer_range / Math.sqrt(2 * config.n_layer));
  const [role, name] = [`layers.${index}`, layerName(index)];
  const hidden = hiddenAxis(width);
  const channels = channelsAxis(index, config.n_inner ?? 4 * width);
  const { queries, keys } = createHeadAxes(index, { heads, kvHeads: heads, headDim: width / heads });
  const kind = { layout: "in_out", bias: true } as const;
  return [
    definePackedMatrix(
      `${role}.self_attn.qkv_proj`,
      `${name}.attn.c_attn`,
      { ...kind, init, input: hidden },
      [
        [`${role}.self_attn.q_proj`, "query", queries],
        [`${role}.self_attn.k_proj`, "key", keys],
        [`${role}.self_attn.v_proj`, "value", keys],
      ],
    ),
    defineMatrix(`${role}.self_attn.o_proj`, "attention output", `${name}.attn.c_proj`, {
      ...kind,
      init: added,
      axes: [queries, hidden],
    }),
    defineMatrix(`${role}.mlp.up_proj`, "up", `${name}.mlp.c_fc`, {
      ...kind,
      init,
      axes: [hidden, channels],
    }),
    defineMatrix(`${role}.mlp.down_proj`, "down", `${name}.mlp.c_proj`, {
      ...kind,
      init: added,
      axes: [channels, hidden],
    }),
  ];
}

const layerName = (layer: number): string => `transformer.h.${layer}`;

export default defineModel<z.output<typeof configSchema>>({
  title: "GPT-2",
  config: configSchema,
  tiny: { model_type: "gpt2", vocab_size: 32, n_positions: 16, n_embd: 16, n_layer: 2, n_head: 2 },
  keys: { context: "n_positions", layers: "n_layer" },
  mask: "causal",
  prefix: "transformer",
  layerName,
  aliases: {
    hidden_size: "n_embd",
    max_position_embeddings: "n_positions",
    num_attention_heads: "n_head",
    num_hidden_layers: "n_layer",
  },
  sizeKeys: { width: "n_embd", intermediate: "n_inner", coupledHeads: "n_head" },
  dimensions: (config) => ({
    vocabulary: config.vocab_size,
    context: config.n_positions,
    layers: config.n_layer,
    width: config.n_embd,
    heads: config.n_head,
    kvHeads: config.n_head,
    headDim: config.n_embd / config.n_head,
  }),
  matrices: (config) => {
    const init = normal(config.initializer_range);
    const hidden = hiddenAxis(config.n_embd);
    const tokens = [vocabularyAxis(config.vocab_size), hidden] as const;
    const positions = [positionsAxis(config.n_positions), hidden] as const;
    return [
      defineEmbedding("embed_tokens", "token embedding", "transformer.wte", tokens, init),
      defineEmbedding("embed_positions", "position embedding", "transformer.wpe", positions, init),
      ...range(config.n_layer).flatMap((layer) => createLayerMatrices(config, layer)),
    ];
  },
  tensors: ({ n_embd: width, n_layer: layers }) => [
    ...range(layers).flatMap((layer) => [
      ...defineLayerNorm(`layers.${layer}.input_layernorm`, `${layerName(layer)}.ln_1`, width, layer),
      ...defineLayerNorm(
        `layers.${layer}.post_attention_layernorm`,
        `${layerName(layer)}.ln_2`,
        width,
        layer,
      ),
    ]),
    ...defineLayerNorm("norm", "transformer.ln_f", width),
  ],
  // The activation between up_proj and down_proj does not pass factors.
  inputSources: ({ n_layer: layers }) => {
    const normOf = (name: string) =>
      ({ kind: "layer", weight: `transformer.${name}.weight`, bias: `transformer.${name}.bias` }) as const;
    return [
      ...range(layers).flatMap((layer): InputSource[] => {
        const attention = `layers.${layer}.self_attn`;
        return [
          { readers: [`${attention}.qkv_proj`], norm: normOf(`h.${layer}.ln_1`) },
          {
            readers: [`${attention}.o_proj`],
            producer: { role: `${attention}.v_proj`, unit: 1, copies: 1 },
          },
          { readers: [`layers.${layer}.mlp.up_proj`], norm: normOf(`h.${layer}.ln_2`) },
        ];
      }),
      { readers: [], norm: normOf("ln_f") },
    ];
  },
  heads: {
    language: createCausalHead("GPT2LMHeadModel", "transformer.wte", ({ n_embd: width }) => width),
    classes: createLastTokenHead("GPT2ForSequenceClassification", ({ n_embd: width }) => width),
  },

  hidden(config, weights, inputs, options) {
    const tokens = getTokens(inputs);
    const width = config.n_embd;
    const drop = createDropout(inputs);
    const attends = buildAttentionMask(inputs, "causal");
    const normed = (name: string, x: Value) =>
      layerNorm(x, weights.tensor(`transformer.${name}.weight`), weights.tensor(`transformer.${name}.bias`), {
        epsilon: config.layer_norm_epsilon,
      });
    const activate = activations[config.activation_function]!;

    let x =
      options.section?.state ??
      drop(addPositions(weights.lookup("embed_tokens", tokens.ids), weights, inputs), config.embd_pdrop);

    for (const layer of listSectionLayers(config.n_layer, options)) {
      const start = x;
      const [q, k, v] = weights.parts(
        `layers.${layer}.self_attn.qkv_proj`,
        normed(`h.${layer}.ln_1`, x),
      ) as readonly [Value, Value, Value];
      const mixed = attention([q, k, v], {
        tokens,
        heads: config.n_head,
        kvHeads: config.n_head,
        headDim: width / config.n_head,
        mask: "causal",
        attends,
        cache: getLayerCache(inputs, layer),
        dropout: drop,
        dropoutRate: config.attn_pdrop,
        block: options.attentionBlock,
        onBlock: options.onAttentionBlock,
        onWeights: options.onAttention,
      });
      x = add(x, drop(weights.linear(`layers.${layer}.self_attn.o_proj`, mixed), config.resid_pdrop));
      const up = activate(weights.linear(`layers.${layer}.mlp.up_proj`, normed(`h.${layer}.ln_2`, x)));
      x = add(x, drop(weights.linear(`layers.${layer}.mlp.down_proj`, up), config.resid_pdrop));
      options.onLayer?.(start, x);
    }
    return finishHidden(x, options, (last) => normed("ln_f", last));
  },
});
