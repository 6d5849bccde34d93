/**
 * The encoder of bert, roberta and distilbert: learned positions, norms after each block, a head that predicts masked tokens,
 * and one that reads the first token. They differ in names, token types, positions and dropout.
 */
import { WorkbenchError } from "../../protocol/errors";
import { add } from "../graph/ops/elementwise";
import { addBias, matmul } from "../graph/ops/matmul";
import { reshape, slice } from "../graph/ops/movement";
import { layerNorm } from "../graph/ops/normalization";
import type { Value } from "../graph/op";
import type { Axis, MatrixSpec, ParameterSpec, Purpose } from "../representations/representation";
import type {
  ClassHead,
  Complete,
  Dimensions,
  ForwardOptions,
  InputSource,
  LanguageHead,
  ModelInputs,
  Weights,
} from "./family";
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

/** Names of Hugging Face's tensors. Those of a layer follow its prefix. */
export interface EncoderNames {
  /** The prefix of all names except the heads'. */
  readonly prefix: string;
  /** The prefix of the layers' numbers. */
  readonly layers: string;
  readonly queries: readonly [q: string, k: string, v: string];
  readonly output: string;
  readonly up: string;
  readonly down: string;
  readonly attentionNorm: string;
  readonly feedForwardNorm: string;
  /** The head over the vocabulary, whose matrix is the token embedding. */
  readonly head: { readonly transform: string; readonly norm: string; readonly bias: string };
  /** Names that files have for the tied matrix and its bias, in this order. */
  readonly tied: readonly [weight: string, bias: string];
  /** The matrices of the classifier: from the first token, and to the classes. */
  readonly classes: { readonly pooler: string; readonly score: string };
  /** The classes of transformers begin with it. */
  readonly className: string;
}

/** What a configuration determines. */
export interface EncoderSettings {
  readonly dimensions: Dimensions;
  readonly channels: number;
  readonly epsilon: number;
  /** Standard deviation of initial weights. */
  readonly std: number;
  readonly activation: string;
  /** The activation of the head over the vocabulary. */
  readonly headActivation: string;
  /** The activation of the pooled first token. */
  readonly pool: (x: Value) => Value;
  /** Number of token types; undefined if there are none. */
  readonly types: number | undefined;
  /** Rows of the table of positions before that of the first position. */
  readonly unusedPositions: number;
  readonly dropout: {
    readonly embeddings: number;
    readonly attention: number;
    readonly attentionOutput: number;
    readonly feedForwardOutput: number;
    /** Before the pooler, if any. */
    readonly pooler?: number;
    readonly score: number;
  };
}

/** The parts of a definition that the names and the settings determine. */
export function createEncoderFamily<C extends { readonly num_labels?: number | undefined }>(
  names: EncoderNames,
  settingsOf: (config: Complete<C>) => EncoderSettings,
) {
  const language: LanguageHead<C> = {
    architecture: `${names.className}ForMaskedLM`,
    task: "masked-lm",
    matrices: (config) => {
      const settings = settingsOf(config);
      const hidden = spec.hiddenAxis(settings.dimensions.width);
      return [createHeadMatrix(settings, "lm_head.transform", names.head.transform, hidden)];
    },
    tensors: (config) => {
      const { width, vocabulary } = settingsOf(config).dimensions;
      return [
        ...spec
          .defineLayerNorm("lm_head.norm", names.head.norm, width)
          .map((norm) => ({ ...norm, embedding: true })),
        createVocabularyBias(names.head.bias, vocabulary),
      ];
    },
    tied: () => [
      [names.tied[0], `${names.prefix}.embeddings.word_embeddings.weight`],
      ...(names.tied[1] === names.head.bias ? [] : [[names.tied[1], names.head.bias] as const]),
    ],
    apply: (config, weights, hidden) => {
      const settings = settingsOf(config);
      const x = activations[settings.headActivation]!(weights.linear("lm_head.transform", hidden));
      const tokens = matmul(applyNorm(settings, weights, names.head.norm, x), weights.table("embed_tokens"), {
        transposeB: true,
      });
      return addBias(tokens, weights.tensor(names.head.bias));
    },
  };
  const classes: ClassHead<C> = {
    architecture: `${names.className}ForSequenceClassification`,
    reads: "first",
    matrices: (config, count) => {
      const settings = settingsOf(config);
      const hidden = spec.hiddenAxis(settings.dimensions.width);
      return [
        createHeadMatrix(settings, "pooler", names.classes.pooler, hidden),
        createHeadMatrix(settings, "score", names.classes.score, { kind: "classes", units: count, unit: 1 }),
      ];
    },
    apply: (_, weights, hidden) => weights.linear("score", hidden),
  };
  return {
    mask: "bidirectional",
    prefix: names.prefix,
    layerName: (layer: number): string => `${names.layers}.${layer}`,
    dimensions: (config: Complete<C>) => settingsOf(config).dimensions,
    matrices: (config: Complete<C>) => createMatrices(names, settingsOf(config)),
    tensors: (config: Complete<C>) => createNorms(names, settingsOf(config)),
    inputSources: (config: Complete<C>) => createInputSources(settingsOf(config)),
    hidden: (config: Complete<C>, weights: Weights, inputs: ModelInputs, options: ForwardOptions) =>
      buildHidden(names, settingsOf(config), weights, inputs, {
        ...options,
        isClassifier: config.num_labels !== undefined,
      }),
    heads: { language, classes },
  } as const;
}

function createMatrices(
  { prefix, ...names }: EncoderNames,
  { dimensions, types, unusedPositions, ...settings }: EncoderSettings,
): MatrixSpec[] {
  const [hidden, init] = [spec.hiddenAxis(dimensions.width), spec.normal(settings.std)];
  const embedding = (role: string, purpose: Purpose, name: string, rows: Axis) =>
    spec.defineEmbedding(role, purpose, `${prefix}.embeddings.${name}`, [rows, hidden], init);
  const positions = spec.positionsAxis(dimensions.context + unusedPositions);
  return [
    embedding(
      "embed_tokens",
      "token embedding",
      "word_embeddings",
      spec.vocabularyAxis(dimensions.vocabulary),
    ),
    embedding("embed_positions", "position embedding", "position_embeddings", positions),
    ...(types === undefined
      ? []
      : [
          embedding("embed_types", "type embedding", "token_type_embeddings", {
            kind: "types",
            units: types,
            unit: 1,
          }),
        ]),
    ...spec
      .range(dimensions.layers)
      .flatMap((layer) => createLayerMatrices({ prefix, ...names }, { dimensions, ...settings }, layer)),
  ];
}

function createLayerMatrices(
  names: EncoderNames,
  { dimensions, channels: count, std }: Pick<EncoderSettings, "dimensions" | "channels" | "std">,
  index: number,
): MatrixSpec[] {
  const [role, name] = [`layers.${index}`, `${names.layers}.${index}`];
  const [hidden, channels] = [spec.hiddenAxis(dimensions.width), spec.channelsAxis(index, count)];
  const { queries, keys } = spec.createHeadAxes(index, dimensions);
  const [q, k, v] = names.queries;
  const matrix = (part: string, purpose: Purpose, own: string, axes: readonly [Axis, Axis]) =>
    spec.defineMatrix(`${role}.${part}`, purpose, `${name}.${own}`, {
      layout: "out_in",
      bias: true,
      init: spec.normal(std),
      axes,
    });
  return [
    matrix("self_attn.q_proj", "query", q, [hidden, queries]),
    matrix("self_attn.k_proj", "key", k, [hidden, keys]),
    matrix("self_attn.v_proj", "value", v, [hidden, keys]),
    matrix("self_attn.o_proj", "attention output", names.output, [queries, hidden]),
    matrix("mlp.up_proj", "up", names.up, [hidden, channels]),
    matrix("mlp.down_proj", "down", names.down, [channels, hidden]),
  ];
}

/** Creates a matrix of a head, from the residual stream to the output axis. */
function createHeadMatrix(
  { dimensions, std }: EncoderSettings,
  role: string,
  name: string,
  output: MatrixSpec["axes"][1],
): MatrixSpec {
  const axes = [spec.hiddenAxis(dimensions.width), output] as const;
  const kind = { layout: "out_in", kind: "head", bias: true } as const;
  return spec.defineMatrix(role, "head", name, { ...kind, init: spec.normal(std), axes });
}

function createVocabularyBias(name: string, tokens: number): ParameterSpec {
  return {
    ...spec.defineNorm("lm_head", name, tokens, "zeros"),
    embedding: true,
    axes: [spec.vocabularyAxis(tokens)],
  };
}

function createNorms(
  names: EncoderNames,
  { dimensions: { width, layers } }: EncoderSettings,
): ParameterSpec[] {
  return [
    ...spec.defineLayerNorm("embed_norm", `${names.prefix}.embeddings.LayerNorm`, width),
    ...spec.range(layers).flatMap((layer) => {
      const [role, name] = [`layers.${layer}`, `${names.layers}.${layer}`];
      return [
        ...spec.defineLayerNorm(`${role}.attention_norm`, `${name}.${names.attentionNorm}`, width, layer),
        ...spec.defineLayerNorm(`${role}.mlp_norm`, `${name}.${names.feedForwardNorm}`, width, layer),
      ];
    }),
  ];
}

/** Norms are part of the residual stream. */
function createInputSources({ dimensions: { layers } }: EncoderSettings): InputSource[] {
  return spec.range(layers).map((layer) => ({
    readers: [`layers.${layer}.self_attn.o_proj`],
    producer: { role: `layers.${layer}.self_attn.v_proj`, unit: 1, copies: 1 },
  }));
}

function applyNorm({ epsilon }: EncoderSettings, weights: Weights, name: string, x: Value): Value {
  return layerNorm(x, weights.tensor(`${name}.weight`), weights.tensor(`${name}.bias`), { epsilon });
}

/** [batch · time, width], or [1, width] where every token has type 0. */
function embedTypes(count: number, weights: Weights, { types }: ModelInputs): Value {
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

function buildHidden(
  names: EncoderNames,
  settings: EncoderSettings,
  weights: Weights,
  inputs: ModelInputs,
  options: ForwardOptions & { readonly isClassifier: boolean },
): Value {
  const { dimensions, dropout: rates } = settings;
  const tokens = getTokens(inputs);
  const drop = createDropout(inputs);
  const attends = buildAttentionMask(inputs, "bidirectional");
  const activate = activations[settings.activation]!;
  const normed = (name: string, x: Value) => applyNorm(settings, weights, name, x);
  const embed = () => {
    const ids = weights.lookup("embed_tokens", tokens.ids);
    const typed = settings.types === undefined ? ids : add(ids, embedTypes(settings.types, weights, inputs));
    const placed = addPositions(typed, weights, inputs, settings.unusedPositions);
    return drop(normed(`${names.prefix}.embeddings.LayerNorm`, placed), rates.embeddings);
  };
  let x = options.section?.state ?? embed();
  for (const layer of listSectionLayers(dimensions.layers, options)) {
    const [role, name, start] = [`layers.${layer}`, `${names.layers}.${layer}`, x];
    const project = (matrix: string) => weights.linear(`${role}.self_attn.${matrix}`, start);
    const mixed = attention([project("q_proj"), project("k_proj"), project("v_proj")], {
      tokens,
      ...dimensions,
      mask: "bidirectional",
      attends,
      dropout: drop,
      dropoutRate: rates.attention,
      block: options.attentionBlock,
      onBlock: options.onAttentionBlock,
      onWeights: options.onAttention,
    });
    const attended = drop(weights.linear(`${role}.self_attn.o_proj`, mixed), rates.attentionOutput);
    x = normed(`${name}.${names.attentionNorm}`, add(x, attended));
    const inner = activate(weights.linear(`${role}.mlp.up_proj`, x));
    const fed = drop(weights.linear(`${role}.mlp.down_proj`, inner), rates.feedForwardOutput);
    x = normed(`${name}.${names.feedForwardNorm}`, add(x, fed));
    options.onLayer?.(start, x);
  }
  const selected = finishHidden(x, options);
  if (!options.isClassifier || options.section?.to !== undefined) return selected;
  const first = rates.pooler === undefined ? selected : drop(selected, rates.pooler);
  return drop(settings.pool(weights.linear("pooler", first)), rates.score);
}
