/**
 * The configuration of a model as metadata of a GGUF file, under the keys of llama.cpp. A key of the configuration that would
 * change the result and has no equivalent there is refused by name, and so is a key of a file that has none here.
 * Source: llama.cpp, `src/llama-arch.cpp`, `src/llama-model.cpp` (load_hparams).
 */
import type * as z from "zod";
import { getLabelCount } from "./classifier";
import { isInert } from "./config";
import { dimensionsOf, familyOf, listMatrixSlots, type ModelShape } from "./model";
import { resolveRopeTheta, type RotaryConfig } from "./rotary";

type Config = Readonly<Record<string, unknown>>;

/** A key below the name of the architecture. */
export interface ConfigEntry {
  readonly key: string;
  readonly type: "uint32" | "float32";
  readonly value: number;
}

interface Architecture {
  /** The name in files, if it is not that of the family. A file is read as the family of that name. */
  readonly name?: string;
  /** The keys of the configuration that are written, or that change nothing after training. */
  readonly known: readonly string[];
  /** Why a value of a key cannot be written; undefined if it can. */
  readonly conditions: Readonly<Record<string, (value: unknown, config: Config) => string | undefined>>;
  readonly epsilon: { readonly key: string; readonly written: string };
  readonly isRotary: boolean;
}

const oneOf =
  (...values: readonly unknown[]) =>
  (value: unknown) =>
    values.includes(value)
      ? undefined
      : `llama.cpp computes ${values.map((each) => JSON.stringify(each)).join(" or ")}`;

function refuseScaledAngles(value: unknown): string | undefined {
  const { rope_type, type, partial_rotary_factor: share } = value as Config;
  if ((rope_type ?? type ?? "default") !== "default") return "scaled rotary angles are not written";
  return (share ?? 1) === 1 ? undefined : "all channels of a head are rotated";
}

const rmsEpsilon = { key: "rms_norm_eps", written: "attention.layer_norm_rms_epsilon" };
const decoder: Architecture = {
  known: [
    ...["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"],
    ...["num_key_value_heads", "head_dim", "max_position_embeddings", "initializer_range", "rms_norm_eps"],
    ...["tie_word_embeddings", "attention_dropout", "rope_theta"],
    // Has no effect unless angles are scaled.
    "original_max_position_embeddings",
  ],
  conditions: {
    hidden_act: oneOf("silu", "swish"),
    rope_parameters: refuseScaledAngles,
    rope_scaling: refuseScaledAngles,
    partial_rotary_factor: oneOf(1),
    rope_interleaved: oneOf(false),
  },
  epsilon: rmsEpsilon,
  isRotary: true,
};

const architectures: Readonly<Record<string, Architecture>> = {
  llama: { ...decoder, known: [...decoder.known, "attention_bias", "mlp_bias"] },
  qwen2: {
    ...decoder,
    // Without a window, its length and its layers have no effect.
    known: [...decoder.known, "sliding_window", "max_window_layers"],
    conditions: {
      ...decoder.conditions,
      use_sliding_window: oneOf(false),
      layer_types: (value) =>
        (value as readonly unknown[]).every((each) => each === "full_attention")
          ? undefined
          : "llama.cpp computes full attention in every layer",
    },
  },
  phi3: {
    ...decoder,
    known: [...decoder.known, "resid_pdrop", "embd_pdrop", "init"],
    conditions: {
      ...decoder.conditions,
      attention_bias: oneOf(false),
      min_channels_per_group: (value) =>
        (value as number) < 0 ? undefined : "grouped projections have no form in llama.cpp",
      sliding_window: (value, config) =>
        (value as number) >= (config["max_position_embeddings"] as number)
          ? undefined
          : "llama.cpp ignores the window of this architecture",
    },
  },
  gpt2: {
    known: [
      ...["vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner", "resid_pdrop", "embd_pdrop"],
      ...["attn_pdrop", "layer_norm_epsilon", "initializer_range", "tie_word_embeddings"],
    ],
    conditions: {
      activation_function: oneOf("gelu_new", "gelu_pytorch_tanh"),
      scale_attn_weights: oneOf(true),
      scale_attn_by_inverse_layer_idx: oneOf(false),
      add_cross_attention: oneOf(false),
    },
    epsilon: { key: "layer_norm_epsilon", written: "attention.layer_norm_epsilon" },
    isRotary: false,
  },
};

/** The architecture of a family that `refuseGguf` does not refuse. */
export const getGgufArchitecture = (family: string): string => architectures[family]?.name ?? family;

/** Why a model cannot be written for llama.cpp; undefined if it can. */
export function refuseGguf({ family, config }: Pick<ModelShape, "family" | "config">): string | undefined {
  const architecture = architectures[family];
  if (architecture === undefined)
    return `GGUF files are written for ${Object.keys(architectures).join(", ")}, not for ${family}`;
  if (getLabelCount(config) !== undefined)
    return "GGUF files are written for language models, and this is a classifier";
  const fields: Readonly<Record<string, z.ZodType>> = (familyOf(family).config as unknown as z.ZodObject)
    .shape;
  for (const [key, value] of Object.entries(config)) {
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    const isDescriptive = key === "model_type" || field === undefined || isInert(field);
    if (isDescriptive || value === null || value === undefined || architecture.known.includes(key)) continue;
    const reason = refuseValue(architecture, key, value, config);
    if (reason !== undefined) return `${key} is ${JSON.stringify(value)}, but ${reason}`;
  }
  return undefined;
}

function refuseValue(
  { conditions }: Architecture,
  key: string,
  value: unknown,
  config: Config,
): string | undefined {
  if (Object.hasOwn(conditions, key)) return conditions[key]!(value, config);
  return value === false ? undefined : "this key has no form in GGUF files";
}

/** The metadata below the architecture. */
export function listGgufConfig(shape: ModelShape): ConfigEntry[] {
  const { vocabulary, context, layers, width, heads, kvHeads, headDim } = dimensionsOf(shape);
  const { epsilon, isRotary } = architectures[shape.family]!;
  const down = listMatrixSlots(shape).find(({ matrix }) => matrix.purpose === "down")!;
  const count = (key: string, value: number): ConfigEntry => ({ key, type: "uint32", value });
  const number = (key: string, value: number): ConfigEntry => ({ key, type: "float32", value });
  return [
    count("context_length", context),
    count("embedding_length", width),
    count("block_count", layers),
    count("feed_forward_length", down.matrix.inputs),
    count("attention.head_count", heads),
    count("attention.head_count_kv", kvHeads),
    count("vocab_size", vocabulary),
    number(epsilon.written, shape.config[epsilon.key] as number),
    ...(isRotary
      ? [
          count("attention.key_length", headDim),
          count("attention.value_length", headDim),
          count("rope.dimension_count", headDim),
          number("rope.freq_base", resolveRopeTheta(shape.config as unknown as RotaryConfig)),
        ]
      : []),
    // Old versions of llama.cpp require a window; as long as the context, it has no effect.
    ...(shape.family === "phi3"
      ? [count("attention.sliding_window", (shape.config["sliding_window"] as number | null) ?? context)]
      : []),
  ];
}

export interface GgufDescription {
  readonly architecture: string;
  /** The metadata below the architecture, by key. */
  readonly entries: ReadonlyMap<string, unknown>;
  /** Names of the tensors. */
  readonly tensors: ReadonlySet<string>;
  /** Rows of the token embedding. */
  readonly vocabulary: number;
}

/** The configuration of the model in a GGUF file. Throws an `Error` with the reason if it is not supported. */
export function readGgufConfig({
  architecture,
  entries,
  tensors,
  vocabulary,
}: GgufDescription): Readonly<Record<string, unknown>> {
  const known = architectures[architecture];
  if (known === undefined)
    throw new Error(
      `its architecture is ${JSON.stringify(architecture)}, and supported are ${Object.keys(architectures).join(", ")}`,
    );
  const used = new Set<string>();
  const find = (key: string): number | undefined => {
    used.add(key);
    const value = entries.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isFinite(value))
      throw new Error(`${architecture}.${key} is ${describe(value)}, and only a number is supported`);
    return toShortest(value);
  };
  const read = (key: string): number => {
    const value = find(key);
    if (value === undefined) throw new Error(`${architecture}.${key} is missing`);
    return value;
  };
  const requireValue = (key: string, value: number, reason: string) => {
    const written = find(key);
    if (written !== undefined && written !== value)
      throw new Error(`${architecture}.${key} is ${written}, and only ${value} is supported: ${reason}`);
  };
  const [width, heads] = [read("embedding_length"), read("attention.head_count")];
  const sizes = { vocabulary, width, heads, layers: read("block_count"), context: read("context_length") };
  const channels = read("feed_forward_length");
  const kvHeads = find("attention.head_count_kv") ?? heads;
  const epsilon = read(known.epsilon.written);
  const isTied = !tensors.has("output.weight");
  const has = (name: string) => tensors.has(`blk.0.${name}`);
  requireValue("vocab_size", vocabulary, "the token embedding has as many rows");
  let config: Record<string, unknown>;
  if (known.isRotary) {
    const headDim = find("attention.key_length") ?? width / heads;
    requireValue("attention.value_length", headDim, "keys and values have the same size");
    requireValue("rope.dimension_count", headDim, "all channels of a head are rotated");
    requireValue("rope.scaling.factor", 1, "rotary angles are not scaled");
    requireValue("expert_count", 0, "the model has one feed-forward block per layer");
    config = {
      hidden_size: width,
      intermediate_size: channels,
      num_hidden_layers: sizes.layers,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      head_dim: headDim,
      max_position_embeddings: sizes.context,
      rms_norm_eps: epsilon,
      rope_theta: find("rope.freq_base") ?? 10_000,
      ...(architecture === "llama"
        ? { attention_bias: has("attn_q.bias"), mlp_bias: has("ffn_gate.bias") }
        : {}),
    };
    if (architecture === "phi3") {
      const window = find("attention.sliding_window") ?? 0;
      if (window > 0 && window < sizes.context) config["sliding_window"] = window;
      used.add("rope.scaling.original_context_length"); // Without scaling, it has no effect.
    }
  } else {
    requireValue("attention.head_count_kv", heads, "every head has its own keys and values");
    config = {
      n_embd: width,
      n_inner: channels,
      n_layer: sizes.layers,
      n_head: heads,
      n_positions: sizes.context,
      layer_norm_epsilon: epsilon,
    };
  }
  const scaling = entries.get("rope.scaling.type");
  used.add("rope.scaling.type");
  if (scaling !== undefined && scaling !== "none")
    throw new Error(
      `${architecture}.rope.scaling.type is ${describe(scaling)}, and only "none" is supported`,
    );
  const unknown = [...entries.keys()].find((key) => !used.has(key));
  if (unknown !== undefined)
    throw new Error(
      `${architecture}.${unknown} is ${describe(entries.get(unknown))}, and this key is not supported`,
    );
  return { model_type: architecture, vocab_size: vocabulary, tie_word_embeddings: isTied, ...config };
}

/** The shortest decimal of the same float32, such as 1e-5. */
function toShortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

const describe = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each)).slice(0, 60);
