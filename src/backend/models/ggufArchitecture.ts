/**
 * What an architecture of llama.cpp can express of a configuration, and under which names. What it computes by itself, such as
 * an activation, is a condition. Source: llama.cpp, `src/models/*.cpp`, `src/llama-arch.cpp`.
 */
import type { Config, ForeignKeys } from "./foreignKeys";
import type { RotaryConfig } from "./rotary";

/** A key below the name of the architecture. */
export type ConfigEntry = { readonly key: string } & (
  | { readonly type: "uint32" | "float32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "bools"; readonly value: readonly boolean[] }
);

/** Reads the metadata of a file, and throws an `Error` with the reason if a value is not supported. */
export interface ConfigReader {
  /** Undefined if the file does not have the key. */
  number(key: string): number | undefined;
  boolean(key: string): boolean | undefined;
  /** A period, or a value for each layer. */
  pattern(key: string): number | readonly boolean[] | undefined;
  /** Refuses any other number. */
  require(key: string, value: number, reason: string): void;
  /** Whether the first layer has this tensor. */
  hasInLayer(name: string): boolean;
  readonly layers: number;
  readonly context: number;
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
}

export interface GgufArchitecture extends ForeignKeys {
  /** The name in files, if it is not that of the family. A file is read as the first family with its name. */
  readonly name?: string;
  /** Keys of sizes, if they are not the usual ones; null if the number follows from the width. */
  readonly keys?: Partial<Keys>;
  /** The key of the number in norms, and its name in files. */
  readonly epsilon: { readonly key: string; readonly written: string };
  /** Rotary settings with the usual keys; absent if positions are learned. */
  readonly rotary?: (config: Config) => RotaryConfig;
  /** The key of the share of rotated channels, if the family has one. */
  readonly rotatedShare?: string;
  /** Whether neighboring channels are rotated, so that the rows of queries and keys are reordered. */
  readonly isPermuted?: true;
  /** Whether files have the weights of norms themselves, and the model their difference from 1. */
  readonly addsOneToNorms?: true;
  /** Names of tensors by role, where they are not the usual ones. */
  readonly tensorNames?: Readonly<Record<string, string>>;
  /** Why the values of several keys together cannot be written. */
  readonly refuses?: (config: Config) => string | undefined;
  /** Other metadata than sizes, the number in norms and rotary positions. */
  readonly write?: (config: Config) => readonly ConfigEntry[];
  readonly read?: (file: ConfigReader) => Config;
}

export interface Keys extends Record<
  "width" | "channels" | "layers" | "heads" | "context" | "theta",
  string
> {
  readonly kvHeads: string | null;
  readonly headDim: string | null;
}

export const usualKeys = {
  width: "hidden_size",
  channels: "intermediate_size",
  layers: "num_hidden_layers",
  heads: "num_attention_heads",
  kvHeads: "num_key_value_heads",
  headDim: "head_dim",
  context: "max_position_embeddings",
  theta: "rope_theta",
} as const satisfies Keys;

export const oneOf =
  (...values: readonly unknown[]) =>
  (value: unknown) =>
    values.includes(value)
      ? undefined
      : `llama.cpp computes ${values.map((each) => JSON.stringify(each)).join(" or ")}`;

export const only = (required: unknown, reason: string) => (value: unknown) =>
  value === required ? undefined : reason;

export function refuseScaledAngles(value: unknown): string | undefined {
  const { rope_type, type } = value as Config;
  return (rope_type ?? type ?? "default") === "default" ? undefined : "scaled rotary angles are not written";
}

function refusePartialAngles(value: unknown): string | undefined {
  const { partial_rotary_factor: share } = value as Config;
  return refuseScaledAngles(value) ?? ((share ?? 1) === 1 ? undefined : "all channels of a head are rotated");
}

function refuseWindowedLayers(value: unknown): string | undefined {
  return (value as readonly unknown[]).every((each) => each === "full_attention")
    ? undefined
    : "llama.cpp computes full attention in every layer";
}

export const unwritten = {
  outputBias: only(false, "llama.cpp adds no bias to the output of the attention"),
  tiedHead: only(false, "llama.cpp has only a head of its own in this architecture"),
  ownHead: only(true, "llama.cpp has no head but the token embedding in this architecture"),
};

export const tanhGelu = oneOf("gelu_new", "gelu_pytorch_tanh");
export const asRotary = (config: Config) => config as unknown as RotaryConfig;
export const rmsEpsilon = { key: "rms_norm_eps", written: "attention.layer_norm_rms_epsilon" };
export const layerNormEpsilon = (key: string) => ({ key, written: "attention.layer_norm_epsilon" });

export const decoder: GgufArchitecture = {
  known: [
    ...["vocab_size", ...Object.values(usualKeys), "initializer_range", "rms_norm_eps"],
    ...["tie_word_embeddings", "attention_dropout"],
    // Has no effect unless angles are scaled.
    "original_max_position_embeddings",
  ],
  conditions: {
    hidden_act: oneOf("silu", "swish"),
    rope_parameters: refusePartialAngles,
    rope_scaling: refusePartialAngles,
    partial_rotary_factor: oneOf(1),
    rope_interleaved: oneOf(false),
  },
  epsilon: rmsEpsilon,
  rotary: asRotary,
};

/** Without a window, its length and its layers have no effect. */
export const withoutWindow: GgufArchitecture = {
  ...decoder,
  known: [...decoder.known, "sliding_window", "max_window_layers"],
  conditions: {
    ...decoder.conditions,
    use_sliding_window: oneOf(false),
    layer_types: refuseWindowedLayers,
  },
};

/** Refuses a window that is shorter than the longest sequence, where it has an effect. */
export function refuseShortWindow(value: unknown, config: Config): string | undefined {
  return (value as number) >= (config["max_position_embeddings"] as number)
    ? undefined
    : "llama.cpp ignores the window of this architecture";
}
