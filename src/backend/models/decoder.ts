/** The decoder of llama, qwen2 and phi3, which differ in biases, packed projections, dropout and the attention window. */
import type { Value } from "../graph/op";
import { add, mul } from "../graph/ops/elementwise";
import { rmsNorm } from "../graph/ops/normalization";
import type { Axis, MatrixSpec, ParameterSpec, Purpose } from "../representations/representation";
import { resolveHeadSizes, type RotaryConfig, resolveRopeTheta } from "./config";
import type { Dimensions, ForwardOptions, InputSource, ModelInputs, Weights } from "./family";
import {
  attention,
  createAttentionMasks,
  getLayerCache,
  createDropout,
  buildRotary,
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
  defineMatrix,
  defineNorm,
  normal,
  range,
  vocabularyAxis,
} from "./specs";

/** The keys of a configuration that the decoder reads. */
export interface DecoderConfig extends RotaryConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads?: number | null | undefined;
  readonly head_dim?: number | null | undefined;
  readonly max_position_embeddings: number;
  readonly initializer_range: number;
  readonly rms_norm_eps: number;
  readonly tie_word_embeddings: boolean;
  readonly attention_dropout: number;
  readonly embd_pdrop?: number;
  readonly resid_pdrop?: number;
  readonly sliding_window?: number | null | undefined;
}

export const decoderSizeKeys = {
  width: "hidden_size",
  intermediate: "intermediate_size",
  heads: { heads: "num_attention_heads", kvHeads: "num_key_value_heads", headDim: "head_dim" },
} as const;

function getDecoderDimensions(config: DecoderConfig): Dimensions {
  return {
    vocabulary: config.vocab_size,
    context: config.max_position_embeddings,
    layers: config.num_hidden_layers,
    width: config.hidden_size,
    ...resolveHeadSizes(config),
  };
}

/** The smallest sizes worth testing: two query heads for each key-value head. */
export const tinyDecoder = {
  vocab_size: 32,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 16,
} as const;

/** The axes of a layer, which its matrices share. */
export function createLayerAxes(
  config: DecoderConfig & { readonly intermediate_size: number },
  layer: number,
) {
  return {
    hidden: hiddenAxis(config.hidden_size),
    channels: channelsAxis(layer, config.intermediate_size),
    ...createHeadAxes(layer, resolveHeadSizes(config)),
  };
}

export function createDecoderMatrices(
  config: DecoderConfig,
  layer: (index: number) => readonly MatrixSpec[],
): MatrixSpec[] {
  const axes = [vocabularyAxis(config.vocab_size), hiddenAxis(config.hidden_size)] as const;
  const init = normal(config.initializer_range);
  return [
    defineEmbedding("embed_tokens", "token embedding", "model.embed_tokens", axes, init),
    ...range(config.num_hidden_layers).flatMap(layer),
  ];
}

/** Which projections of a layer have biases, and the configuration keys that control them, if any. */
export interface Biases {
  readonly queries: boolean;
  readonly output: boolean;
  readonly feedForward: boolean;
  readonly attentionKey?: string;
  readonly feedForwardKey?: string;
}

/** The seven unpacked matrices of a layer. */
export function createSeparateProjections(
  config: DecoderConfig & { readonly intermediate_size: number },
  index: number,
  biases: Biases,
): MatrixSpec[] {
  const { hidden, queries, keys, channels } = createLayerAxes(config, index);
  const layer = layerRole(index);
  const projection = (
    role: string,
    purpose: Purpose,
    axes: readonly [Axis, Axis],
    bias: boolean,
    biasKey: string | undefined,
  ) =>
    defineMatrix(`${layer}.${role}`, purpose, `${layerName(index)}.${role}`, {
      layout: "out_in",
      init: normal(config.initializer_range),
      axes,
      bias,
      ...(biasKey === undefined ? {} : { biasKey }),
    });
  const { attentionKey, feedForwardKey } = biases;
  return [
    projection("self_attn.q_proj", "query", [hidden, queries], biases.queries, attentionKey),
    projection("self_attn.k_proj", "key", [hidden, keys], biases.queries, attentionKey),
    projection("self_attn.v_proj", "value", [hidden, keys], biases.queries, attentionKey),
    projection("self_attn.o_proj", "attention output", [queries, hidden], biases.output, attentionKey),
    projection("mlp.gate_proj", "gate", [hidden, channels], biases.feedForward, feedForwardKey),
    projection("mlp.up_proj", "up", [hidden, channels], biases.feedForward, feedForwardKey),
    projection("mlp.down_proj", "down", [channels, hidden], biases.feedForward, feedForwardKey),
  ];
}

/** Computes the queries, keys and values, and the gated inner values, of a layer with unpacked matrices. */
export function projectSeparately(weights: Weights, activate: (x: Value) => Value): Projections {
  return {
    queries: (role, x) => [
      weights.linear(`${role}.q_proj`, x),
      weights.linear(`${role}.k_proj`, x),
      weights.linear(`${role}.v_proj`, x),
    ],
    gated: (role, x) =>
      mul(activate(weights.linear(`${role}.gate_proj`, x)), weights.linear(`${role}.up_proj`, x)),
  };
}

function createDecoderNorms(config: DecoderConfig): ParameterSpec[] {
  const createNorm = (role: string, layer?: number) =>
    defineNorm(role, `model.${role}.weight`, config.hidden_size, "ones", layer);
  return [
    ...range(config.num_hidden_layers).flatMap((layer) => [
      createNorm(`layers.${layer}.input_layernorm`, layer),
      createNorm(`layers.${layer}.post_attention_layernorm`, layer),
    ]),
    createNorm("norm"),
  ];
}

const layerRole = (layer: number): string => `layers.${layer}`;
const layerName = (layer: number): string => `model.layers.${layer}`;
const widthOf = (config: { readonly hidden_size: number }): number => config.hidden_size;

/** The sources of a layer whose projections have these roles below `self_attn` and `mlp`. */
export function createInputSources(
  config: DecoderConfig,
  { queries, gated }: { readonly queries: readonly string[]; readonly gated: readonly string[] },
): InputSource[] {
  const { heads, kvHeads, headDim } = resolveHeadSizes(config);
  const normOf = (role: string) => ({ kind: "rms", weight: `model.${role}.weight` }) as const;
  return [
    ...range(config.num_hidden_layers).flatMap((index): InputSource[] => {
      const layer = layerRole(index);
      return [
        {
          readers: queries.map((role) => `${layer}.self_attn.${role}`),
          norm: normOf(`${layer}.input_layernorm`),
        },
        {
          readers: [`${layer}.self_attn.o_proj`],
          producer: { role: `${layer}.self_attn.v_proj`, unit: headDim, copies: heads / kvHeads },
        },
        {
          readers: gated.map((role) => `${layer}.mlp.${role}`),
          norm: normOf(`${layer}.post_attention_layernorm`),
        },
        {
          readers: [`${layer}.mlp.down_proj`],
          producer: { role: `${layer}.mlp.up_proj`, unit: 1, copies: 1 },
        },
      ];
    }),
    { readers: [], norm: normOf("norm") },
  ];
}

/** The roles of unpacked projections for `createInputSources`. */
export const separateRoles = { queries: ["q_proj", "k_proj", "v_proj"], gated: ["gate_proj", "up_proj"] };

/** The part of a definition that all families of this decoder share; `name` is the prefix of their class names. */
export function createDecoderFamily<C extends Omit<DecoderConfig, "vocab_size">>(name: string) {
  return {
    keys: { context: "max_position_embeddings", layers: "num_hidden_layers" },
    mask: "causal",
    prefix: "model",
    layerName,
    sizeKeys: decoderSizeKeys,
    dimensions: getDecoderDimensions,
    tensors: createDecoderNorms,
    heads: {
      language: createCausalHead<C>(`${name}ForCausalLM`, "model.embed_tokens", widthOf),
      classes: createLastTokenHead<C>(`${name}ForSequenceClassification`, widthOf),
    },
  } as const;
}

export interface Projections {
  /** Computes q, k and v of a layer's attention. */
  queries(role: string, x: Value): readonly [Value, Value, Value];
  /** Computes the activated inner values of a layer's feed-forward block. */
  gated(role: string, x: Value): Value;
  /** The attention window of each layer, if they differ. */
  window?(layer: number): number | null | undefined;
}

export function buildDecoder(
  config: DecoderConfig,
  weights: Weights,
  inputs: ModelInputs,
  options: ForwardOptions,
  projections: Projections,
): Value {
  const sizes = resolveHeadSizes(config);
  const tokens = getTokens(inputs);
  const drop = createDropout(inputs);
  const maskOf = createAttentionMasks(inputs, "causal");
  const windowOf = (layer: number) =>
    projections.window === undefined ? config.sliding_window : projections.window(layer);
  const angles = buildRotary(inputs, sizes.headDim, resolveRopeTheta(config));
  const normed = (role: string, x: Value) =>
    rmsNorm(x, weights.tensor(`model.${role}.weight`), { epsilon: config.rms_norm_eps });
  const { embd_pdrop: embeddingRate = 0, resid_pdrop: residualRate = 0 } = config;

  let x = options.section?.state ?? drop(weights.lookup("embed_tokens", tokens.ids), embeddingRate);
  for (const index of listSectionLayers(config.num_hidden_layers, options)) {
    const layer = layerRole(index);
    const start = x;
    const mixed = attention(
      projections.queries(`${layer}.self_attn`, normed(`${layer}.input_layernorm`, x)),
      {
        tokens,
        ...sizes,
        mask: "causal",
        attends: maskOf(windowOf(index)),
        rotary: angles,
        extend: getLayerCache(inputs, index),
        dropout: drop,
        dropoutRate: config.attention_dropout,
        block: options.attentionBlock,
        onBlock: options.onAttentionBlock,
        onWeights: options.onAttention,
      },
    );
    x = add(x, drop(weights.linear(`${layer}.self_attn.o_proj`, mixed), residualRate));
    const inner = projections.gated(`${layer}.mlp`, normed(`${layer}.post_attention_layernorm`, x));
    x = add(x, drop(weights.linear(`${layer}.mlp.down_proj`, inner), residualRate));
    options.onLayer?.(start, x);
  }
  return finishHidden(x, options, (last) => normed("norm", last));
}
