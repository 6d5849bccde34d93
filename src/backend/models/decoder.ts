/** The decoder that llama and phi3 share; they differ in how projections are packed, in dropout and in the window. */
import { add } from "../graph/ops/elementwise";
import { matmul } from "../graph/ops/matmul";
import { rmsNorm } from "../graph/ops/normalization";
import type { Value } from "../graph/op";
import type { MatrixSpec, ParameterSpec } from "../representations/representation";
import { headSizes, type RotaryConfig, ropeTheta } from "./config";
import type { Dimensions, ForwardOptions, ModelInputs, Weights } from "./family";
import { attention, attentionBias, cacheOf, dropoutOf, rotary, tokensOf, wantedRows } from "./layers";
import { embedding, head, norm, range } from "./specs";

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
  intermediate: "intermediate_size",
  heads: { heads: "num_attention_heads", kvHeads: "num_key_value_heads", headDim: "head_dim" },
} as const;

export function decoderDimensions(config: DecoderConfig): Dimensions {
  return {
    vocabulary: config.vocab_size,
    context: config.max_position_embeddings,
    layers: config.num_hidden_layers,
    width: config.hidden_size,
    ...headSizes(config),
  };
}

export function decoderMatrices(
  config: DecoderConfig,
  layer: (index: number) => readonly MatrixSpec[],
): MatrixSpec[] {
  const { vocab_size: vocabulary, hidden_size: width } = config;
  const init = { kind: "normal", std: config.initializer_range } as const;
  return [
    embedding("embed_tokens", "model.embed_tokens", {
      inputs: vocabulary,
      outputs: width,
      init,
      axes: ["vocabulary", "hidden"],
    }),
    ...range(config.num_hidden_layers).flatMap(layer),
    ...(config.tie_word_embeddings
      ? []
      : [head({ inputs: width, outputs: vocabulary, init, axes: ["hidden", "vocabulary"] })]),
  ];
}

export function decoderNorms(config: DecoderConfig): ParameterSpec[] {
  const one = (role: string) => norm(role, `model.${role}.weight`, config.hidden_size, "ones");
  return [
    ...range(config.num_hidden_layers).flatMap((layer) => [
      one(`layers.${layer}.input_layernorm`),
      one(`layers.${layer}.post_attention_layernorm`),
    ]),
    one("norm"),
  ];
}

export function decoderTied(config: DecoderConfig): (readonly [string, string])[] {
  return config.tie_word_embeddings ? [["lm_head.weight", "model.embed_tokens.weight"]] : [];
}

export interface Projections {
  /** q, k and v of a layer's attention. */
  queries(role: string, x: Value): readonly [Value, Value, Value];
  /** The activated inner values of a layer's feed-forward block. */
  gated(role: string, x: Value): Value;
}

export function decoder(
  config: DecoderConfig,
  weights: Weights,
  inputs: ModelInputs,
  options: ForwardOptions,
  projections: Projections,
): Value {
  const sizes = headSizes(config);
  const tokens = tokensOf(inputs);
  const drop = dropoutOf(inputs);
  const bias = attentionBias(inputs, config.sliding_window);
  const angles = rotary(inputs, sizes.headDim, ropeTheta(config));
  const normed = (role: string, x: Value) =>
    rmsNorm(x, weights.tensor(`model.${role}.weight`), { epsilon: config.rms_norm_eps });
  const { embd_pdrop: embeddingRate = 0, resid_pdrop: residualRate = 0 } = config;

  let x = drop(weights.lookup("embed_tokens", tokens.ids), embeddingRate);
  for (const index of range(config.num_hidden_layers)) {
    const layer = `layers.${index}`;
    const start = x;
    const mixed = attention(
      projections.queries(`${layer}.self_attn`, normed(`${layer}.input_layernorm`, x)),
      {
        tokens,
        ...sizes,
        bias,
        rotary: angles,
        extend: cacheOf(inputs, index),
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
  return wantedRows(normed("norm", x), options);
}

export function decoderLogits(config: DecoderConfig, weights: Weights, hidden: Value): Value {
  return config.tie_word_embeddings
    ? matmul(hidden, weights.table("embed_tokens"), { transposeB: true })
    : weights.linear("lm_head", hidden);
}
