/**
 * The decoder of llama, mistral, qwen, phi3 and gemma, which differ in biases, packed projections, norms, dropout and the
 * attention window.
 */
import { scalar, type Value } from "../graph/op";
import { add, mul } from "../graph/ops/elementwise";
import { reshape } from "../graph/ops/movement";
import { rmsNorm } from "../graph/ops/normalization";
import type { Axis, MatrixSpec, ParameterSpec, Purpose } from "../representations/representation";
import { resolveHeadSizes } from "./decoderConfig";
import type { Dimensions, ForwardOptions, InputSource, ModelInputs, Weights } from "./family";
import {
  attention,
  createAttentionMasks,
  getLayerCache,
  createDropout,
  createRotaries,
  getTokens,
  finishHidden,
  listSectionLayers,
} from "./layers";
import { computeFrequencies, type Frequencies, type RotaryConfig, type TypeNames } from "./rotary";
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
export interface DecoderConfig {
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

/** The norms of a decoder, by their names in a layer. */
export interface NormNames {
  /** The norm of the inputs of the feed-forward layer. */
  readonly feedForward: string;
  /** Norms of the outputs of the attention and of the feed-forward layer, before they are added to the residual stream. */
  readonly outputs?: { readonly attention: string; readonly feedForward: string };
  /** Whether each head of the queries and of the keys has a norm, `q_norm` and `k_norm`. */
  readonly heads?: boolean;
  /** Whether weights are stored as their difference from 1. */
  readonly isCentered?: boolean;
}
const plainNorms: NormNames = { feedForward: "post_attention_layernorm" };

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

/** The same frequencies in all layers. */
export function rotateAlike(
  config: DecoderConfig & RotaryConfig,
  typeNames?: TypeNames,
): Pick<DecoderParts, "frequencies"> {
  const frequencies = computeFrequencies(config, resolveHeadSizes(config).headDim, typeNames);
  return { frequencies: () => frequencies };
}

/** `longestGrowth` of families that rotate all layers alike. */
export const alikeGrowth = (
  config: DecoderConfig & RotaryConfig,
  typeNames?: TypeNames,
): number | undefined => computeFrequencies(config, resolveHeadSizes(config).headDim, typeNames).long?.from;

/** Computes the queries, keys and values, and the gated inner values, of a layer with unpacked matrices. */
export function projectSeparately(
  weights: Weights,
  activate: (x: Value) => Value,
): Pick<DecoderParts, "queries" | "gated"> {
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

function createDecoderNorms(
  config: DecoderConfig,
  { feedForward, outputs, heads = false, isCentered = false }: NormNames,
): ParameterSpec[] {
  const init = isCentered ? "zeros" : "ones";
  const createNorm = (role: string, layer?: number) =>
    defineNorm(role, `model.${role}.weight`, config.hidden_size, init, layer);
  const { headDim } = resolveHeadSizes(config);
  const createHeadNorm = (role: string, layer: number): ParameterSpec => ({
    ...defineNorm(role, `model.${role}.weight`, headDim, init, layer),
    axes: [],
  });
  const names = [
    "input_layernorm",
    ...(outputs === undefined ? [] : [outputs.attention]),
    feedForward,
    ...(outputs === undefined ? [] : [outputs.feedForward]),
  ];
  return [
    ...range(config.num_hidden_layers).flatMap((layer) => [
      ...names.map((name) => createNorm(`layers.${layer}.${name}`, layer)),
      ...(heads ? ["q_norm", "k_norm"] : []).map((name) =>
        createHeadNorm(`layers.${layer}.self_attn.${name}`, layer),
      ),
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
export function createDecoderFamily<C extends Omit<DecoderConfig, "vocab_size">>(
  name: string,
  norms: NormNames = plainNorms,
) {
  return {
    keys: { context: "max_position_embeddings", layers: "num_hidden_layers" },
    mask: "causal",
    prefix: "model",
    layerName,
    sizeKeys: decoderSizeKeys,
    dimensions: getDecoderDimensions,
    tensors: (config: DecoderConfig) => createDecoderNorms(config, norms),
    heads: {
      language: createCausalHead<C>(`${name}ForCausalLM`, "model.embed_tokens", widthOf),
      classes: createLastTokenHead<C>(`${name}ForSequenceClassification`, widthOf),
    },
  } as const;
}

/** What the families of this decoder compute in different ways. */
export interface DecoderParts {
  /** Computes q, k and v of a layer's attention. */
  queries(role: string, x: Value): readonly [Value, Value, Value];
  /** Computes the activated inner values of a layer's feed-forward block. */
  gated(role: string, x: Value): Value;
  /** The attention window of each layer, if they differ. */
  window?(layer: number): number | null | undefined;
  /** The rotary frequencies of each layer; undefined for a layer without positions. */
  frequencies(layer: number): Frequencies | undefined;
  readonly norms?: NormNames;
  /** Factor of the embeddings. */
  readonly embeddingScale?: number;
  /** Factor of the scores of attention; 1/√headDim when left out. */
  readonly scoreScale?: number;
  /** The bound of the scores of attention; see `AttentionOptions`. */
  readonly scoreCap?: number | null | undefined;
}

/** Normalizes each head: [rows, heads · headDim] of the same size. */
function normalizeHeads(x: Value, headDim: number, norm: (rows: Value) => Value): Value {
  const { shape } = x.type;
  const [rows, width] = shape as [number, number];
  return reshape(norm(reshape(x, { shape: [(rows * width) / headDim, headDim] })), { shape });
}

export function buildDecoder(
  config: DecoderConfig,
  weights: Weights,
  inputs: ModelInputs,
  options: ForwardOptions,
  parts: DecoderParts,
): Value {
  const sizes = resolveHeadSizes(config);
  const tokens = getTokens(inputs);
  const drop = createDropout(inputs);
  const maskOf = createAttentionMasks(inputs, "causal");
  const rotaryOf = createRotaries(inputs);
  const windowOf = (layer: number) =>
    parts.window === undefined ? config.sliding_window : parts.window(layer);
  const { feedForward, outputs, heads = false, isCentered = false } = parts.norms ?? plainNorms;
  const normed = (role: string, x: Value) => {
    const weight = weights.tensor(`model.${role}.weight`);
    return rmsNorm(x, isCentered ? add(weight, scalar(1)) : weight, { epsilon: config.rms_norm_eps });
  };
  const { embd_pdrop: embeddingRate = 0, resid_pdrop: residualRate = 0 } = config;
  const projectHeads = (layer: string, x: Value): readonly [Value, Value, Value] => {
    const [q, k, v] = parts.queries(`${layer}.self_attn`, x);
    if (!heads) return [q, k, v];
    const each = (name: string, values: Value) =>
      normalizeHeads(values, sizes.headDim, (rows) => normed(`${layer}.self_attn.${name}`, rows));
    return [each("q_norm", q), each("k_norm", k), v];
  };
  const embed = () => {
    const embedded = weights.lookup("embed_tokens", tokens.ids);
    const { embeddingScale: scale } = parts;
    return drop(scale === undefined ? embedded : mul(embedded, scalar(scale)), embeddingRate);
  };

  let x = options.section?.state ?? embed();
  for (const index of listSectionLayers(config.num_hidden_layers, options)) {
    const layer = layerRole(index);
    const start = x;
    const finish = (name: string | undefined, y: Value) =>
      drop(name === undefined ? y : normed(`${layer}.${name}`, y), residualRate);
    const mixed = attention(projectHeads(layer, normed(`${layer}.input_layernorm`, x)), {
      tokens,
      ...sizes,
      mask: "causal",
      attends: maskOf(windowOf(index)),
      rotary: rotaryOf(parts.frequencies(index)),
      scale: parts.scoreScale,
      cap: parts.scoreCap,
      cache: getLayerCache(inputs, index),
      dropout: drop,
      dropoutRate: config.attention_dropout,
      block: options.attentionBlock,
      onBlock: options.onAttentionBlock,
      onWeights: options.onAttention,
    });
    x = add(x, finish(outputs?.attention, weights.linear(`${layer}.self_attn.o_proj`, mixed)));
    const inner = parts.gated(`${layer}.mlp`, normed(`${layer}.${feedForward}`, x));
    x = add(x, finish(outputs?.feedForward, weights.linear(`${layer}.mlp.down_proj`, inner)));
    options.onLayer?.(start, x);
  }
  return finishHidden(x, options, (last) => normed("norm", last));
}
