/**
 * What mlx-lm 0.32 computes of each family, and under which names. It ignores keys that it does not know, so that a
 * configuration is refused where the result would be another one. Source: mlx-lm, `mlx_lm/models/<family>.py`, `rope_utils.py`.
 */
import { getLabelCount } from "./classifier";
import { type Config, type ForeignKeys, refuseKeys } from "./foreignKeys";
import { resolveLayerTypes, toRotary as toGemmaRotary } from "./gemma3_text";
import { toRotary as toNeoxRotary } from "./gpt_neox";
import { dimensionsOf, familyOf, type ModelShape } from "./model";
import {
  resolveRopeTheta,
  resolveRotaryType,
  resolveRotatedShare,
  type RotaryConfig,
  selectSettings,
} from "./rotary";

interface MlxFamily extends ForeignKeys {
  /** Why the values of several keys together cannot be written. */
  readonly refuses?: (config: Config) => string | undefined;
  /** Keys with the values that mlx-lm needs to be written, or to be written at this place. */
  readonly write?: (config: Config) => Config;
  /** The name of a tensor or a module in mlx-lm, where it is not that of transformers. */
  readonly rename?: (name: string) => string;
}

const oneOf =
  (...values: readonly unknown[]) =>
  (value: unknown) =>
    values.includes(value)
      ? undefined
      : `mlx-lm computes ${values.map((each) => JSON.stringify(each)).join(" or ")}`;

const asRotary = (config: Config) => config as unknown as RotaryConfig;
const tanhGelu = oneOf("gelu_new", "gelu_pytorch_tanh");

const ignoreWindow = (value: unknown, { max_position_embeddings: context }: Config) =>
  (value as number) >= (context as number) ? undefined : "mlx-lm ignores the window of this family";

const refuseWindows = (value: unknown) =>
  (value as readonly unknown[]).every((each) => each === "full_attention")
    ? undefined
    : "mlx-lm computes full attention in every layer";

/** The width of a head where mlx-lm does not read it. */
const dividedWidth = (value: unknown, { hidden_size: width, num_attention_heads: heads }: Config) =>
  (value as number) * (heads as number) === width
    ? undefined
    : "mlx-lm divides the width by the number of heads";

const refuseFrequencies =
  (toRotary: (config: Config) => RotaryConfig, allowed: readonly string[]) =>
  (_: unknown, config: Config) => {
    const type = resolveRotaryType(toRotary(config));
    return allowed.includes(type)
      ? undefined
      : `mlx-lm computes frequencies of the type ${type} in another way, or not at all`;
  };

function writeRotary(config: RotaryConfig): Config {
  const type = resolveRotaryType(config);
  const { factor, low_freq_factor, high_freq_factor, ...settings } = selectSettings(config);
  const original = config.original_max_position_embeddings ?? settings.original_max_position_embeddings;
  const scaling =
    type === "linear"
      ? { factor }
      : {
          factor,
          low_freq_factor,
          high_freq_factor,
          original_max_position_embeddings: original ?? config.max_position_embeddings,
        };
  return {
    rope_theta: resolveRopeTheta(config),
    // mlx-lm does not read rope_parameters.
    rope_scaling: type === "default" ? null : { type, rope_type: type, ...scaling },
  };
}

const scalable = ["default", "linear", "llama3"];

const decoder: MlxFamily = {
  known: [
    ...["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"],
    ...["num_key_value_heads", "head_dim", "max_position_embeddings", "initializer_range", "rms_norm_eps"],
    ...["tie_word_embeddings", "attention_dropout", "rope_theta", "original_max_position_embeddings"],
  ],
  conditions: {
    hidden_act: oneOf("silu", "swish"),
    rope_parameters: refuseFrequencies(asRotary, scalable),
    rope_scaling: refuseFrequencies(asRotary, scalable),
    partial_rotary_factor: oneOf(1),
    rope_interleaved: oneOf(false),
  },
  write: (config) => writeRotary(asRotary(config)),
};

const llama: MlxFamily = { ...decoder, known: [...decoder.known, "attention_bias", "mlp_bias"] };

const mistral: MlxFamily = {
  ...decoder,
  conditions: { ...decoder.conditions, sliding_window: ignoreWindow },
};

/** Without a window, its length and its layers have no effect. */
const withoutWindow: MlxFamily = {
  ...decoder,
  known: [...decoder.known, "sliding_window", "max_window_layers"],
  conditions: { ...decoder.conditions, use_sliding_window: oneOf(false), layer_types: refuseWindows },
};

const qwen2: MlxFamily = {
  ...withoutWindow,
  conditions: { ...withoutWindow.conditions, head_dim: dividedWidth },
};

const qwen3: MlxFamily = {
  ...withoutWindow,
  conditions: { ...withoutWindow.conditions, attention_bias: oneOf(false) },
};

const smollm3: MlxFamily = {
  ...withoutWindow,
  known: [
    ...withoutWindow.known,
    ...["attention_bias", "mlp_bias", "no_rope_layers", "no_rope_layer_interval"],
  ],
};

const unscaled = (toRotary: (config: Config) => RotaryConfig, types: readonly string[] = ["default"]) => ({
  rope_parameters: refuseFrequencies(toRotary, types),
  rope_scaling: refuseFrequencies(toRotary, types),
});

const phi3: MlxFamily = {
  ...decoder,
  known: [...decoder.known, "resid_pdrop", "embd_pdrop", "init", "partial_rotary_factor"],
  conditions: {
    hidden_act: decoder.conditions["hidden_act"]!,
    rope_interleaved: oneOf(false),
    ...unscaled(asRotary),
    head_dim: dividedWidth,
    sliding_window: ignoreWindow,
    attention_bias: oneOf(false),
    min_channels_per_group: (value) =>
      (value as number) < 0 ? undefined : "mlx-lm has no grouped projections",
  },
  write: (config) => ({
    ...writeRotary(asRotary(config)),
    partial_rotary_factor: resolveRotatedShare(asRotary(config)),
  }),
};

const phi: MlxFamily = {
  known: [...decoder.known, "layer_norm_eps", "resid_pdrop", "embd_pdrop", "partial_rotary_factor"],
  conditions: {
    ...unscaled(asRotary),
    hidden_act: tanhGelu,
    head_dim: dividedWidth,
    rope_interleaved: oneOf(false),
    tie_word_embeddings: oneOf(false),
  },
  write: phi3.write!,
};

const gemmaConditions = {
  hidden_act: () => undefined, // The activation is hidden_activation.
  hidden_activation: tanhGelu,
  attention_bias: oneOf(false),
  partial_rotary_factor: oneOf(1),
  rope_interleaved: oneOf(false),
  use_bidirectional_attention: oneOf(false),
};
const capKeys = ["attn_logit_softcapping", "final_logit_softcapping"] as const;

const gemma2: MlxFamily = {
  known: [...decoder.known, "query_pre_attn_scalar", ...capKeys],
  conditions: {
    ...gemmaConditions,
    ...unscaled(asRotary),
    tie_word_embeddings: oneOf(true),
    sliding_window: ignoreWindow,
    layer_types: () => undefined, // A window as long as the context has no effect.
  },
  refuses: (config) => {
    const key = capKeys.find((each) => config[each] == null);
    return key === undefined ? undefined : `${key} is null, but mlx-lm always computes with a bound`;
  },
  write: decoder.write!,
};

const gemma3: MlxFamily = {
  known: [
    ...[...decoder.known, "query_pre_attn_scalar", "rope_local_base_freq"],
    ...["sliding_window", "sliding_window_pattern", "layer_types"],
  ],
  conditions: {
    ...gemmaConditions,
    ...unscaled((config) => ofGemma(config, "full_attention"), ["default", "linear"]),
    final_logit_softcapping: () => "mlx-lm computes no bound of the logits in this family",
  },
  refuses: (config) => {
    if (resolveRotaryType(ofGemma(config, "sliding_attention")) !== "default")
      return "the rotary frequencies of layers with a window are scaled, which mlx-lm does not compute";
    return findPeriod(config) === undefined
      ? "mlx-lm needs layers without a window at equal distances, at least one of them"
      : undefined;
  },
  write: (config) => ({
    ...writeRotary(ofGemma(config, "full_attention")),
    rope_local_base_freq: resolveRopeTheta(ofGemma(config, "sliding_attention")),
    sliding_window_pattern: findPeriod(config),
  }),
};

const ofGemma = (config: Config, type: "full_attention" | "sliding_attention"): RotaryConfig =>
  toGemmaRotary(config as unknown as Parameters<typeof toGemmaRotary>[0], type);

/** The number of which the layers without a window are multiples; undefined if there is none. */
function findPeriod(config: Config): number | undefined {
  const types = resolveLayerTypes(config as unknown as Parameters<typeof resolveLayerTypes>[0]);
  const period = types.indexOf("full_attention") + 1;
  const isPeriodic = types.every((type, i) => (type === "full_attention") === ((i + 1) % period === 0));
  return period > 0 && isPeriodic ? period : undefined;
}

const gpt2: MlxFamily = {
  known: [
    ...["vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "layer_norm_epsilon"],
    ...["initializer_range", "resid_pdrop", "embd_pdrop", "attn_pdrop"],
  ],
  conditions: {
    activation_function: tanhGelu,
    n_inner: (value, { n_embd: width }) =>
      value === 4 * (width as number) ? undefined : "mlx-lm computes four times n_embd",
    tie_word_embeddings: oneOf(true),
    scale_attn_weights: oneOf(true),
  },
  write: ({ n_positions: context }) => ({ n_ctx: context }),
  rename: (name) => name.replace(/^transformer\./, "model."),
};

const ofNeox = (config: Config): RotaryConfig =>
  toNeoxRotary(config as unknown as Parameters<typeof toNeoxRotary>[0]);

const gptNeox: MlxFamily = {
  known: [
    ...["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "head_dim"],
    ...["max_position_embeddings", "initializer_range", "layer_norm_eps", "use_parallel_residual"],
    ...["rotary_pct", "rotary_emb_base", "partial_rotary_factor", "rope_theta", "attention_dropout"],
    ...["hidden_dropout", "original_max_position_embeddings"],
  ],
  conditions: {
    ...unscaled(ofNeox),
    hidden_act: tanhGelu,
    attention_bias: oneOf(true),
    tie_word_embeddings: oneOf(false),
    intermediate_size: (value, { hidden_size: width }) =>
      value === 4 * (width as number) ? undefined : "mlx-lm computes four times hidden_size",
  },
  write: (config) => ({
    rotary_emb_base: resolveRopeTheta(ofNeox(config)),
    rotary_pct: resolveRotatedShare(ofNeox(config)),
  }),
  rename: (name) =>
    name
      .replace("gpt_neox.layers.", "model.h.")
      .replace(/^gpt_neox\./, "model.")
      .replace(/^lm_head\./, "model.embed_out."),
};

const families: Readonly<Record<string, MlxFamily>> = {
  llama,
  mistral,
  qwen2,
  qwen3,
  smollm3,
  phi,
  phi3,
  gpt2,
  gpt_neox: gptNeox,
  gemma2,
  gemma3_text: gemma3,
};

/** Why mlx-lm would not compute this model; undefined if it does. */
export function refuseMlx({ family, config }: Pick<ModelShape, "family" | "config">): string | undefined {
  const known = families[family];
  if (known === undefined)
    return familyOf(family).mask === "causal"
      ? `there is no ${family} in mlx-lm`
      : "there are no encoders in mlx-lm";
  if (getLabelCount(config) !== undefined) return "there are no classifiers in mlx-lm";
  return refuseKeys({ family, config }, known, "mlx-lm does not read this key") ?? known.refuses?.(config);
}

/** Keys of config.json as mlx-lm reads them, of a model that `refuseMlx` accepts. */
export function listMlxKeys({ family, config }: Pick<ModelShape, "family" | "config">): Config {
  return families[family]!.write?.(config) ?? {};
}

export const renameForMlx = ({ family }: Pick<ModelShape, "family">, name: string): string =>
  families[family]!.rename?.(name) ?? name;

/** A line about the factor of Gemma 3's embeddings, the root of the width, if mlx-lm rounds it. */
export function listMlxRounding(shape: ModelShape): string[] {
  if (shape.family !== "gemma3_text") return [];
  const factor = Math.sqrt(dimensionsOf(shape).width);
  const exponent = Math.floor(Math.log2(factor));
  const rounded = Math.round(factor * 2 ** (7 - exponent)) / 2 ** (7 - exponent);
  return rounded === factor
    ? []
    : [
        `mlx-lm multiplies the embeddings by ${rounded}, the root of the width in bfloat16, instead of ${factor.toFixed(4)}.`,
      ];
}
