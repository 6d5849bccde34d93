/**
 * The decoder of gpt_neox, opt and phi: layer norms, biases, and a feed-forward layer without a gate. They differ in their
 * names, in their positions, and in whether the feed-forward layer reads the output of the attention or runs parallel to it.
 */
import type { Value } from "../graph/op";
import { add } from "../graph/ops/elementwise";
import { layerNorm } from "../graph/ops/normalization";
import type { Axis, MatrixSpec, ParameterSpec, Purpose } from "../representations/representation";
import type { Dimensions, ForwardOptions, InputSource, ModelInputs, Weights } from "./family";
import {
  activations,
  addPositions,
  attention,
  buildAttentionMask,
  createDropout,
  createRotaries,
  finishHidden,
  getLayerCache,
  getTokens,
  listSectionLayers,
} from "./layers";
import type { Frequencies } from "./rotary";
import {
  channelsAxis,
  createHeadAxes,
  defineEmbedding,
  defineLayerNorm,
  defineMatrix,
  definePackedMatrix,
  hiddenAxis,
  normal,
  positionsAxis,
  range,
  vocabularyAxis,
} from "./specs";

/** Names of Hugging Face's tensors. Those of a layer follow its number. */
export interface LayerNormNames {
  /** The prefix of all names except the head's. */
  readonly prefix: string;
  /** The prefix of the embeddings, the layers and the last norm. */
  readonly root: string;
  readonly tokens: string;
  /** The table of learned positions, if there is one. */
  readonly positions?: string;
  /** The matrices of queries, keys and values, or the one that packs them. */
  readonly queries: readonly [q: string, k: string, v: string] | string;
  readonly output: string;
  readonly up: string;
  readonly down: string;
  readonly attentionNorm: string;
  /** Left out if the feed-forward layer reads the same norm as the attention. */
  readonly feedForwardNorm?: string;
  readonly lastNorm: string;
}

/** What a configuration determines. */
export interface LayerNormSettings {
  readonly dimensions: Dimensions;
  readonly channels: number;
  readonly epsilon: number;
  /** Standard deviation of initial weights. */
  readonly std: number;
  readonly activation: string;
  /** Whether matrices have biases, and the key that enables them, if any. */
  readonly attentionBias: Bias;
  readonly feedForwardBias: Bias;
  /** The frequencies of rotary positions, if there are any. */
  readonly frequencies?: () => Frequencies;
  /** Rows of the table of positions before that of the first position. */
  readonly unusedPositions?: number;
  /** Whether the feed-forward layer reads the input of the layer rather than the sum with the output of the attention. */
  readonly isParallel: boolean;
  readonly dropout: { readonly embeddings: number; readonly outputs: number; readonly attention: number };
}

interface Bias {
  readonly bias: boolean;
  readonly biasKey?: string;
}

/** The parts of a definition that the names and the settings determine. */
export function createLayerNormFamily<C>(
  names: LayerNormNames,
  settingsOf: (config: C) => LayerNormSettings,
) {
  const layerName = (layer: number): string => `${names.root}.layers.${layer}`;
  const forward = (config: C, weights: Weights, inputs: ModelInputs, options: ForwardOptions): Value =>
    buildForward(names, settingsOf(config), weights, inputs, options);
  return {
    mask: "causal",
    prefix: names.prefix,
    layerName,
    dimensions: (config: C) => settingsOf(config).dimensions,
    matrices: (config: C) => createMatrices(names, settingsOf(config)),
    longestGrowth: (config: C) => settingsOf(config).frequencies?.().long?.from,
    tensors: (config: C) => createNorms(names, settingsOf(config)),
    inputSources: (config: C) => createInputSources(names, settingsOf(config)),
    hidden: forward,
  } as const;
}

const listNorms = ({ attentionNorm, feedForwardNorm }: LayerNormNames) => [
  ["input_layernorm", attentionNorm] as const,
  ...(feedForwardNorm === undefined ? [] : [["post_attention_layernorm", feedForwardNorm] as const]),
];

function createMatrices(names: LayerNormNames, settings: LayerNormSettings): MatrixSpec[] {
  const { vocabulary, context, width, layers } = settings.dimensions;
  const [hidden, init] = [hiddenAxis(width), normal(settings.std)];
  const embedding = (role: string, purpose: Purpose, name: string, rows: Axis) =>
    defineEmbedding(role, purpose, `${names.root}.${name}`, [rows, hidden], init);
  const positions = positionsAxis(context + (settings.unusedPositions ?? 0));
  return [
    embedding("embed_tokens", "token embedding", names.tokens, vocabularyAxis(vocabulary)),
    ...(names.positions === undefined
      ? []
      : [embedding("embed_positions", "position embedding", names.positions, positions)]),
    ...range(layers).flatMap((layer) => createLayerMatrices(names, settings, layer)),
  ];
}

function createLayerMatrices(
  names: LayerNormNames,
  settings: LayerNormSettings,
  index: number,
): MatrixSpec[] {
  const { dimensions, channels: count, attentionBias, feedForwardBias } = settings;
  const [role, name] = [`layers.${index}`, `${names.root}.layers.${index}`];
  const [hidden, channels] = [hiddenAxis(dimensions.width), channelsAxis(index, count)];
  const { queries, keys } = createHeadAxes(index, dimensions);
  const kind = { layout: "out_in", init: normal(settings.std) } as const;
  const parts = [
    [`${role}.self_attn.q_proj`, "query", queries],
    [`${role}.self_attn.k_proj`, "key", keys],
    [`${role}.self_attn.v_proj`, "value", keys],
  ] as const;
  const separate = names.queries;
  return [
    ...(typeof separate === "string"
      ? [
          definePackedMatrix(
            `${role}.self_attn.qkv_proj`,
            `${name}.${separate}`,
            { ...kind, ...attentionBias, input: hidden },
            parts,
          ),
        ]
      : parts.map(([part, purpose, axis], i) =>
          defineMatrix(part, purpose, `${name}.${separate[i]!}`, {
            ...kind,
            ...attentionBias,
            axes: [hidden, axis],
          }),
        )),
    defineMatrix(`${role}.self_attn.o_proj`, "attention output", `${name}.${names.output}`, {
      ...kind,
      ...attentionBias,
      axes: [queries, hidden],
    }),
    defineMatrix(`${role}.mlp.up_proj`, "up", `${name}.${names.up}`, {
      ...kind,
      ...feedForwardBias,
      axes: [hidden, channels],
    }),
    defineMatrix(`${role}.mlp.down_proj`, "down", `${name}.${names.down}`, {
      ...kind,
      ...feedForwardBias,
      axes: [channels, hidden],
    }),
  ];
}

function createNorms(
  names: LayerNormNames,
  { dimensions: { width, layers } }: LayerNormSettings,
): ParameterSpec[] {
  return [
    ...range(layers).flatMap((layer) =>
      listNorms(names).flatMap(([role, name]) =>
        defineLayerNorm(`layers.${layer}.${role}`, `${names.root}.layers.${layer}.${name}`, width, layer),
      ),
    ),
    ...defineLayerNorm("norm", `${names.root}.${names.lastNorm}`, width),
  ];
}

/** The activation between up_proj and down_proj does not pass factors. */
function createInputSources(
  names: LayerNormNames,
  { dimensions: { layers, heads, kvHeads, headDim } }: LayerNormSettings,
): InputSource[] {
  const normOf = (name: string) => {
    const whole = `${names.root}.${name}`;
    return { kind: "layer", weight: `${whole}.weight`, bias: `${whole}.bias` } as const;
  };
  const queries = typeof names.queries === "string" ? ["qkv_proj"] : ["q_proj", "k_proj", "v_proj"];
  return [
    ...range(layers).flatMap((index): InputSource[] => {
      const [layer, self] = [`layers.${index}`, `layers.${index}.self_attn`];
      const readers = queries.map((each) => `${self}.${each}`);
      const [up, { feedForwardNorm }] = [`${layer}.mlp.up_proj`, names];
      return [
        {
          readers: feedForwardNorm === undefined ? [...readers, up] : readers,
          norm: normOf(`${layer}.${names.attentionNorm}`),
        },
        {
          readers: [`${self}.o_proj`],
          producer: { role: `${self}.v_proj`, unit: headDim, copies: heads / kvHeads },
        },
        ...(feedForwardNorm === undefined
          ? []
          : [{ readers: [up], norm: normOf(`${layer}.${feedForwardNorm}`) }]),
      ];
    }),
    { readers: [], norm: normOf(names.lastNorm) },
  ];
}

function buildForward(
  names: LayerNormNames,
  settings: LayerNormSettings,
  weights: Weights,
  inputs: ModelInputs,
  options: ForwardOptions,
): Value {
  const { dimensions, epsilon, isParallel, dropout: rates } = settings;
  const tokens = getTokens(inputs);
  const drop = createDropout(inputs);
  const attends = buildAttentionMask(inputs, "causal");
  const rotary = createRotaries(inputs)(settings.frequencies?.());
  const activate = activations[settings.activation]!;
  const normed = (name: string, x: Value) => {
    const [weight, bias] = ["weight", "bias"].map((each) => weights.tensor(`${names.root}.${name}.${each}`));
    return layerNorm(x, weight!, bias!, { epsilon });
  };
  const project = (layer: string, x: Value) =>
    typeof names.queries === "string"
      ? weights.parts(`${layer}.self_attn.qkv_proj`, x)
      : ["q_proj", "k_proj", "v_proj"].map((each) => weights.linear(`${layer}.self_attn.${each}`, x));
  const embed = () => {
    const embedded = weights.lookup("embed_tokens", tokens.ids);
    const placed =
      names.positions === undefined
        ? embedded
        : addPositions(embedded, weights, inputs, settings.unusedPositions);
    return drop(placed, rates.embeddings);
  };

  let x = options.section?.state ?? embed();
  for (const index of listSectionLayers(dimensions.layers, options)) {
    const layer = `layers.${index}`;
    const start = x;
    const read = normed(`${layer}.${names.attentionNorm}`, start);
    const mixed = attention(project(layer, read) as [Value, Value, Value], {
      tokens,
      ...dimensions,
      mask: "causal",
      attends,
      rotary,
      cache: getLayerCache(inputs, index),
      dropout: drop,
      dropoutRate: rates.attention,
      block: options.attentionBlock,
      onBlock: options.onAttentionBlock,
      onWeights: options.onAttention,
    });
    x = add(start, drop(weights.linear(`${layer}.self_attn.o_proj`, mixed), rates.outputs));
    const { feedForwardNorm } = names;
    const source = isParallel ? start : x;
    const inputsOfUp = feedForwardNorm === undefined ? read : normed(`${layer}.${feedForwardNorm}`, source);
    const inner = activate(weights.linear(`${layer}.mlp.up_proj`, inputsOfUp));
    x = add(x, drop(weights.linear(`${layer}.mlp.down_proj`, inner), rates.outputs));
    options.onLayer?.(start, x);
  }
  return finishHidden(x, options, (last) => normed(names.lastNorm, last));
}
