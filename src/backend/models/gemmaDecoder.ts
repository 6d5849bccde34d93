/** What the families of Gemma share: keys, matrices, scaled embeddings, and bounds of scores and logits. */
import * as z from "zod";
import { activationNames, positiveInt } from "./config";
import { bareDecoderKeys } from "./decoderConfig";
import {
  createDecoderFamily,
  createDecoderMatrices,
  createSeparateProjections,
  type DecoderConfig,
  type DecoderParts,
  decoderSizeKeys,
  type NormNames,
  projectSeparately,
} from "./decoder";
import type { Complete, InputSource, Weights } from "./family";
import { capValues } from "./attend";
import { activations } from "./layers";
import { createCausalHead, range } from "./specs";

const { hidden_act: _, ...decoderKeys } = bareDecoderKeys;

export const gemmaKeys = {
  ...decoderKeys,
  hidden_size: decoderKeys.hidden_size.default(2304),
  intermediate_size: decoderKeys.intermediate_size.default(9216),
  num_hidden_layers: positiveInt.default(26).describe("Decoder layers."),
  num_attention_heads: positiveInt.default(8).describe("Query heads."),
  num_key_value_heads: positiveInt.default(4).describe("Key and value heads."),
  head_dim: positiveInt.default(256).describe("Channels per head."),
  hidden_activation: z.enum(activationNames).default("gelu_pytorch_tanh").describe("Activation of the gate."),
  rms_norm_eps: decoderKeys.rms_norm_eps.default(1e-6),
  tie_word_embeddings: z.boolean().default(true).describe("Whether the head is the token embedding."),
  attention_bias: z
    .boolean()
    .default(false)
    .describe("Whether q, k, v and the output projection have biases."),
  query_pre_attn_scalar: positiveInt
    .default(256)
    .describe("The scores of attention are divided by its square root."),
  sliding_window: positiveInt
    .nullable()
    .default(4096)
    .describe("Number of tokens in the window, including the current one."),
};

export interface GemmaConfig extends Omit<DecoderConfig, "vocab_size"> {
  readonly intermediate_size: number;
  readonly hidden_activation: string;
  readonly attention_bias: boolean;
  readonly query_pre_attn_scalar: number;
  readonly final_logit_softcapping?: number | null | undefined;
}

/**
 * A norm with weights around 1 is not an input source, since a factor of its weight is not one of the stored number; and outputs
 * pass a norm before they reach the residual stream, so that it cannot be rotated.
 */
function createInputSources({ num_hidden_layers: layers, ...config }: GemmaConfig): InputSource[] {
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads ?? heads;
  return range(layers).flatMap((index): InputSource[] => {
    const layer = `layers.${index}`;
    return [
      {
        readers: [`${layer}.self_attn.o_proj`],
        producer: { role: `${layer}.self_attn.v_proj`, unit: config.head_dim!, copies: heads / kvHeads },
      },
      {
        readers: [`${layer}.mlp.down_proj`],
        producer: { role: `${layer}.mlp.up_proj`, unit: 1, copies: 1 },
      },
    ];
  });
}

/** `name` is the prefix of the name of the class with the head over the vocabulary, `classes` that of the classifier. */
export function createGemmaFamily<C extends GemmaConfig>(name: string, norms: NormNames, classes = name) {
  const family = createDecoderFamily<C>(classes, norms);
  return {
    ...family,
    sizeKeys: {
      ...decoderSizeKeys,
      headsDivideWidth: true,
      fixedWidth: "the embeddings are multiplied by the square root of the width",
    },
    matrices: (config: Complete<C>) =>
      createDecoderMatrices(config, (layer) =>
        createSeparateProjections(config, layer, {
          queries: config.attention_bias,
          output: config.attention_bias,
          feedForward: false,
          attentionKey: "attention_bias",
        }),
      ),
    floatKeys: ["final_logit_softcapping", "attn_logit_softcapping"],
    inputSources: createInputSources,
    heads: {
      ...family.heads,
      language: createCausalHead<C>(
        `${name}ForCausalLM`,
        "model.embed_tokens",
        ({ hidden_size: width }) => width,
        { finish: ({ final_logit_softcapping: cap }, logits) => capValues(logits, cap) },
      ),
    },
  } as const;
}

export function createGemmaParts(config: GemmaConfig, weights: Weights, norms: NormNames) {
  return {
    ...projectSeparately(weights, activations[config.hidden_activation]!),
    norms,
    embeddingScale: Math.sqrt(config.hidden_size),
    scoreScale: config.query_pre_attn_scalar ** -0.5,
  } satisfies Omit<DecoderParts, "frequencies">;
}
