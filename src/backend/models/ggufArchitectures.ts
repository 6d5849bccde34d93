/** The architecture of llama.cpp of each family. */
import {
  asRotary,
  decoder,
  type GgufArchitecture,
  layerNormEpsilon,
  only,
  oneOf,
  refuseScaledAngles,
  refuseShortWindow,
  tanhGelu,
  unwritten,
  usualKeys,
  withoutWindow,
} from "./ggufArchitecture";
import type { Config } from "./foreignKeys";
import { gemma2, gemma3 } from "./ggufGemma";
import { toRotary } from "./gpt_neox";
import { listRotated } from "./smollm3";

const phi3: GgufArchitecture = {
  ...decoder,
  known: [...decoder.known, "resid_pdrop", "embd_pdrop", "init"],
  conditions: {
    ...decoder.conditions,
    attention_bias: oneOf(false),
    min_channels_per_group: (value) =>
      (value as number) < 0 ? undefined : "grouped projections have no form in llama.cpp",
    sliding_window: refuseShortWindow,
  },
  // Old versions of llama.cpp require a window; as long as the context, it has no effect.
  write: (config) => [
    {
      key: "attention.sliding_window",
      type: "uint32",
      value: (config["sliding_window"] ?? config["max_position_embeddings"]) as number,
    },
  ],
  read: (file) => {
    const window = file.number("attention.sliding_window") ?? 0;
    file.number("rope.scaling.original_context_length"); // Without scaling, it has no effect.
    return window > 0 && window < file.context ? { sliding_window: window } : {};
  },
};

const gpt2: GgufArchitecture = {
  known: [
    ...["vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner", "resid_pdrop", "embd_pdrop"],
    ...["attn_pdrop", "layer_norm_epsilon", "initializer_range", "tie_word_embeddings"],
  ],
  conditions: {
    activation_function: tanhGelu,
    scale_attn_weights: oneOf(true),
    scale_attn_by_inverse_layer_idx: oneOf(false),
    add_cross_attention: oneOf(false),
  },
  keys: {
    width: "n_embd",
    channels: "n_inner",
    layers: "n_layer",
    heads: "n_head",
    kvHeads: null,
    headDim: null,
    context: "n_positions",
  },
  epsilon: layerNormEpsilon("layer_norm_epsilon"),
};

const gptNeox: GgufArchitecture = {
  name: "gptneox",
  known: [
    ...["vocab_size", ...Object.values(usualKeys), "initializer_range", "layer_norm_eps", "hidden_dropout"],
    ...["attention_dropout", "rotary_pct", "rotary_emb_base", "use_parallel_residual"],
    ...["original_max_position_embeddings", "partial_rotary_factor"],
  ],
  conditions: {
    hidden_act: tanhGelu,
    attention_bias: only(true, "llama.cpp has only projections with biases in this architecture"),
    rope_parameters: refuseScaledAngles,
    rope_scaling: refuseScaledAngles,
    tie_word_embeddings: unwritten.tiedHead,
  },
  keys: { kvHeads: null, headDim: null, theta: "rotary_emb_base" },
  epsilon: layerNormEpsilon("layer_norm_eps"),
  rotary: (config) => toRotary(config as unknown as Parameters<typeof toRotary>[0]),
  rotatedShare: "rotary_pct",
  write: (config) => [
    { key: "use_parallel_residual", type: "bool", value: config["use_parallel_residual"] as boolean },
  ],
  read: (file) => ({
    use_parallel_residual: file.boolean("use_parallel_residual") ?? true,
    hidden_act: "gelu_new",
  }),
};

const phi: GgufArchitecture = {
  name: "phi2",
  known: [
    ...["vocab_size", ...Object.values(usualKeys), "initializer_range", "layer_norm_eps"],
    ...["attention_dropout", "resid_pdrop", "embd_pdrop", "partial_rotary_factor"],
    "original_max_position_embeddings",
  ],
  conditions: {
    hidden_act: tanhGelu,
    rope_parameters: refuseScaledAngles,
    rope_scaling: refuseScaledAngles,
    rope_interleaved: oneOf(false),
    tie_word_embeddings: unwritten.tiedHead,
    head_dim: (value, { hidden_size: width, num_attention_heads: heads }) =>
      (value as number) * (heads as number) === width
        ? undefined
        : "llama.cpp divides the width by the number of heads",
  },
  keys: { headDim: null },
  epsilon: layerNormEpsilon("layer_norm_eps"),
  rotary: asRotary,
  rotatedShare: "partial_rotary_factor",
};

const noPositionsInterval = 4;
const smollm3: GgufArchitecture = {
  ...withoutWindow,
  conditions: {
    ...withoutWindow.conditions,
    attention_bias: unwritten.outputBias,
    no_rope_layers: (_, config) => refuseRotatedLayers(config),
    no_rope_layer_interval: (_, config) => refuseRotatedLayers(config),
  },
  isPermuted: true,
  read: () => ({ no_rope_layer_interval: noPositionsInterval }),
};

function refuseRotatedLayers(config: Config): string | undefined {
  const rotated = listRotated(config as unknown as Parameters<typeof listRotated>[0]);
  return rotated.every((each, layer) => (each === 0) === ((layer + 1) % noPositionsInterval === 0))
    ? undefined
    : `llama.cpp computes every layer of number ${noPositionsInterval} without positions, and no others`;
}

const llama: GgufArchitecture = {
  ...decoder,
  known: [...decoder.known, "attention_bias", "mlp_bias"],
  isPermuted: true,
  read: (file) => ({
    attention_bias: file.hasInLayer("attn_q.bias"),
    mlp_bias: file.hasInLayer("ffn_gate.bias"),
  }),
};

const mistral: GgufArchitecture = {
  ...decoder,
  name: "llama",
  conditions: { ...decoder.conditions, sliding_window: refuseShortWindow },
  isPermuted: true,
};

const qwen3: GgufArchitecture = {
  ...withoutWindow,
  conditions: { ...withoutWindow.conditions, attention_bias: unwritten.outputBias },
  tensorNames: { "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm" },
};

/** By family. A file whose architecture several families have is read as the first of them. */
export const architectures: Readonly<Record<string, GgufArchitecture>> = {
  llama,
  mistral,
  qwen2: withoutWindow,
  qwen3,
  smollm3,
  phi,
  phi3,
  gpt2,
  gpt_neox: gptNeox,
  gemma2,
  gemma3_text: gemma3,
};

/** Why llama.cpp has no form for other families. */
export const missing: Readonly<Record<string, string>> = {
  opt: "llama.cpp has no architecture for it",
  kphi3: "its grouped projections have no form in llama.cpp",
};
