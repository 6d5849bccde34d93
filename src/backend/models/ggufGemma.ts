/** Gemma in llama.cpp: norms with whole weights, windows by layer, and a scale of scores that follows from the sizes. */
import { resolveLayerTypes as resolveGemma2Types } from "./gemma2";
import { resolveLayerTypes as resolveGemma3Types, toRotary } from "./gemma3_text";
import {
  asRotary,
  type ConfigEntry,
  type ConfigReader,
  decoder,
  type GgufArchitecture,
  refuseScaledAngles,
  rmsEpsilon,
  tanhGelu,
  unwritten,
} from "./ggufArchitecture";
import type { Config } from "./foreignKeys";
import { resolveRopeTheta } from "./rotary";
import { range } from "./specs";

interface Gemma {
  /** The number of layers at which llama.cpp scales scores by the width over the heads, instead of the width of a head. */
  readonly largest: number;
  /** The number of layers after which a layer without a window comes, unless the file has a pattern. */
  readonly period: number;
  readonly typesOf: (config: Config) => readonly string[];
}

/** The number whose square root divides the scores of attention. */
const scoreDivisor = (
  { largest }: Gemma,
  sizes: {
    readonly layers: number;
    readonly width: number;
    readonly heads: number;
    readonly headDim: number;
  },
): number => (sizes.layers === largest ? Math.floor(sizes.width / sizes.heads) : sizes.headDim);

const isSliding = (period: number, layer: number): boolean => layer % period < period - 1;

function createGemma(own: Gemma): GgufArchitecture {
  const { hidden_act: _, ...conditions } = decoder.conditions;
  return {
    known: [...decoder.known, "sliding_window", "layer_types", "final_logit_softcapping"],
    conditions: {
      ...conditions,
      hidden_activation: tanhGelu,
      attention_bias: unwritten.outputBias,
      query_pre_attn_scalar: (value, config) => {
        const divisor = scoreDivisor(own, {
          layers: config["num_hidden_layers"] as number,
          width: config["hidden_size"] as number,
          heads: config["num_attention_heads"] as number,
          headDim: config["head_dim"] as number,
        });
        return value === divisor ? undefined : `llama.cpp computes ${divisor} for these sizes`;
      },
    },
    epsilon: rmsEpsilon,
    rotary: asRotary,
    addsOneToNorms: true,
    tensorNames: {
      post_attention_layernorm: "post_attention_norm",
      pre_feedforward_layernorm: "ffn_norm",
      post_feedforward_layernorm: "post_ffw_norm",
    },
    write: (config) => writeGemma(own, config),
    read: (file) => readGemma(own, file),
  };
}

function writeGemma({ period, typesOf }: Gemma, config: Config): ConfigEntry[] {
  const { sliding_window: window, final_logit_softcapping: cap } = config;
  const slides = typesOf(config).map((type) => type === "sliding_attention");
  return [
    ...(window == null
      ? []
      : [{ key: "attention.sliding_window", type: "uint32", value: window as number } as const]),
    ...(slides.every((each, layer) => each === isSliding(period, layer))
      ? []
      : [{ key: "attention.sliding_window_pattern", type: "bools", value: slides } as const]),
    ...(cap == null
      ? []
      : [{ key: "final_logit_softcapping", type: "float32", value: cap as number } as const]),
  ];
}

function readGemma(own: Gemma, file: ConfigReader): Config {
  const pattern = file.pattern("attention.sliding_window_pattern") ?? own.period;
  const slides =
    typeof pattern === "number" ? range(file.layers).map((layer) => isSliding(pattern, layer)) : pattern;
  return {
    layer_types: slides.map((each) => (each ? "sliding_attention" : "full_attention")),
    query_pre_attn_scalar: scoreDivisor(own, file),
    hidden_activation: "gelu_pytorch_tanh",
  };
}

const gemma2Parts = createGemma({
  largest: 46,
  period: 2,
  typesOf: (config) => resolveGemma2Types(config as unknown as Parameters<typeof resolveGemma2Types>[0]),
});
export const gemma2: GgufArchitecture = {
  ...gemma2Parts,
  known: [...gemma2Parts.known, "attn_logit_softcapping"],
  conditions: { ...gemma2Parts.conditions, tie_word_embeddings: unwritten.ownHead },
  // A bound of null is skipped as other keys without a value are, but llama.cpp always has one.
  refuses: ({ attn_logit_softcapping: scores, final_logit_softcapping: logits }) =>
    scores == null || logits == null
      ? `${scores == null ? "attn" : "final"}_logit_softcapping is null, but llama.cpp always bounds them`
      : undefined,
  write: (config) => [
    ...gemma2Parts.write!(config),
    {
      key: "attn_logit_softcapping",
      type: "float32",
      value: config["attn_logit_softcapping"] as number,
    },
  ],
  read: (file) => ({
    ...gemma2Parts.read!(file),
    sliding_window: file.number("attention.sliding_window") ?? 4096,
    attn_logit_softcapping: file.number("attn_logit_softcapping") ?? 50,
    final_logit_softcapping: file.number("final_logit_softcapping") ?? 30,
  }),
};

const toGemma3 = (config: Config) => config as unknown as Parameters<typeof toRotary>[0];
const gemma3Parts = createGemma({
  largest: 62,
  period: 6,
  typesOf: (config) => resolveGemma3Types(config as unknown as Parameters<typeof resolveGemma3Types>[0]),
});
export const gemma3: GgufArchitecture = {
  ...gemma3Parts,
  name: "gemma3",
  known: [...gemma3Parts.known, "rope_local_base_freq", "sliding_window_pattern"],
  conditions: {
    ...gemma3Parts.conditions,
    rope_parameters: (value) =>
      Object.values(value as Readonly<Record<string, Config | null>>)
        .map((each) => (each == null ? undefined : refuseScaledAngles(each)))
        .find((reason) => reason !== undefined),
  },
  rotary: (config) => toRotary(toGemma3(config), "full_attention"),
  tensorNames: {
    ...gemma3Parts.tensorNames,
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
  },
  write: (config) => [
    ...gemma3Parts.write!(config),
    {
      key: "rope.freq_base_swa",
      type: "float32",
      value: resolveRopeTheta(toRotary(toGemma3(config), "sliding_attention")),
    },
  ],
  read: (file) => {
    const window = file.number("attention.sliding_window") ?? 0;
    const read = gemma3Parts.read!(file);
    return {
      ...read,
      // Without a window, no layer has one, whatever the pattern.
      ...(window > 0
        ? { sliding_window: window }
        : { sliding_window: null, layer_types: range(file.layers).map(() => "full_attention") }),
      rope_local_base_freq: file.number("rope.freq_base_swa") ?? 10_000,
      final_logit_softcapping: file.number("final_logit_softcapping") ?? null,
    };
  },
};
