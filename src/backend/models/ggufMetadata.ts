/**
 * The configuration of a model as metadata of a GGUF file, under the keys of llama.cpp. A key of the configuration that would
 * change the result and has no equivalent there is refused by name, and so is a key of a file that has none here.
 * Source: llama.cpp, `src/llama-arch.cpp`, `src/llama-model.cpp` (load_hparams).
 */
import { getLabelCount } from "./classifier";
import { type ConfigEntry, type ConfigReader, type Keys, usualKeys } from "./ggufArchitecture";
import { type Config, refuseKeys } from "./foreignKeys";
import { architectures, missing } from "./ggufArchitectures";
import { dimensionsOf, familyOf, listMatrixSlots, type ModelShape } from "./model";
import { countRotated, resolveRopeTheta } from "./rotary";

/** The architecture of a family that `refuseGguf` does not refuse. */
export const getGgufArchitecture = (family: string): string => architectures[family]?.name ?? family;

/** Why a model cannot be written for llama.cpp; undefined if it can. */
export function refuseGguf({ family, config }: Pick<ModelShape, "family" | "config">): string | undefined {
  const architecture = architectures[family];
  if (architecture === undefined)
    return familyOf(family).mask === "causal"
      ? `GGUF files are not written for ${family}: ${missing[family] ?? "it has no architecture of llama.cpp"}`
      : "GGUF files are not written for encoders: llama.cpp computes embeddings with them, not the tokens that are hidden";
  if (getLabelCount(config) !== undefined)
    return "GGUF files are written for language models, and this is a classifier";
  return (
    refuseKeys({ family, config }, architecture, "this key has no form in GGUF files") ??
    architecture.refuses?.(config)
  );
}

/** The metadata below the architecture. */
export function listGgufConfig(shape: ModelShape): ConfigEntry[] {
  const { vocabulary, context, layers, width, heads, kvHeads, headDim } = dimensionsOf(shape);
  const { epsilon, rotary, write } = architectures[shape.family]!;
  const down = listMatrixSlots(shape).find(({ matrix }) => matrix.purpose === "down")!;
  const count = (key: string, value: number): ConfigEntry => ({ key, type: "uint32", value });
  const number = (key: string, value: number): ConfigEntry => ({ key, type: "float32", value });
  const angles = rotary?.(shape.config);
  return [
    count("context_length", context),
    count("embedding_length", width),
    count("block_count", layers),
    count("feed_forward_length", down.matrix.inputs),
    count("attention.head_count", heads),
    count("attention.head_count_kv", kvHeads),
    count("vocab_size", vocabulary),
    number(epsilon.written, shape.config[epsilon.key] as number),
    ...(angles === undefined
      ? []
      : [
          count("attention.key_length", headDim),
          count("attention.value_length", headDim),
          count("rope.dimension_count", countRotated(angles, headDim)),
          number("rope.freq_base", resolveRopeTheta(angles)),
        ]),
    ...(write?.(shape.config) ?? []),
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
export function readGgufConfig(description: GgufDescription): Config {
  const { architecture, entries, tensors, vocabulary } = description;
  const found = Object.entries(architectures).find(([family, { name = family }]) => name === architecture);
  if (found === undefined) {
    const names = Object.keys(architectures).map(getGgufArchitecture);
    throw new Error(
      `its architecture is ${JSON.stringify(architecture)}, and supported are ${[...new Set(names)].join(", ")}`,
    );
  }
  const [family, known] = found;
  const used = new Set<string>();
  const values = createValues(description, used);
  const { number, require } = values;
  const read = (key: string): number => {
    const value = number(key);
    if (value === undefined) throw new Error(`${architecture}.${key} is missing`);
    return value;
  };
  const keys: Keys = { ...usualKeys, ...known.keys };
  const [width, heads] = [read("embedding_length"), read("attention.head_count")];
  const [layers, context] = [read("block_count"), read("context_length")];
  require("vocab_size", vocabulary, "the token embedding has as many rows");
  const config: Record<string, unknown> = {
    model_type: family,
    vocab_size: vocabulary,
    tie_word_embeddings: !tensors.has("output.weight"),
    [keys.width]: width,
    [keys.channels]: read("feed_forward_length"),
    [keys.layers]: layers,
    [keys.heads]: heads,
    [keys.context]: context,
    [known.epsilon.key]: read(known.epsilon.written),
  };
  if (keys.kvHeads === null)
    require("attention.head_count_kv", heads, "every head has its own keys and values");
  else config[keys.kvHeads] = number("attention.head_count_kv") ?? heads;
  let headDim = width / heads;
  if (known.rotary !== undefined) {
    if (keys.headDim === null)
      require("attention.key_length", headDim, "heads divide the width of the model");
    else config[keys.headDim] = headDim = number("attention.key_length") ?? headDim;
    require("attention.value_length", headDim, "keys and values have the same size");
    require("rope.scaling.factor", 1, "rotary angles are not scaled");
    require("expert_count", 0, "the model has one feed-forward block per layer");
    config[keys.theta] = number("rope.freq_base") ?? 10_000;
    const rotated = number("rope.dimension_count") ?? headDim;
    if (known.rotatedShare !== undefined) config[known.rotatedShare] = rotated / headDim;
    if (countRotated(known.rotary(config), headDim) !== rotated)
      throw new Error(
        `${architecture}.rope.dimension_count is ${rotated}, and heads have ${headDim} channels`,
      );
  }
  Object.assign(config, known.read?.({ ...values, layers, context, width, heads, headDim }));
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
  return config;
}

/** Reads values of the types that are expected, and notes their keys in `used`. */
function createValues(
  { architecture, entries, tensors }: GgufDescription,
  used: Set<string>,
): Pick<ConfigReader, "number" | "boolean" | "pattern" | "require" | "hasInLayer"> {
  const find = <T>(key: string, type: string, isType: (value: unknown) => value is T): T | undefined => {
    used.add(key);
    const value = entries.get(key);
    if (value === undefined || isType(value)) return value;
    throw new Error(`${architecture}.${key} is ${describe(value)}, and only ${type} is supported`);
  };
  const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
  const number = (key: string): number | undefined => {
    const value = find(key, "a number", isNumber);
    return value === undefined ? undefined : toShortest(value);
  };
  return {
    number,
    boolean: (key) => find(key, "true or false", (value): value is boolean => typeof value === "boolean"),
    pattern: (key) =>
      find(
        key,
        "a number of layers or a value for each layer",
        (value): value is number | readonly boolean[] =>
          Array.isArray(value)
            ? value.every((each) => typeof each === "boolean")
            : Number.isInteger(value) && (value as number) > 0,
      ),
    require: (key, value, reason) => {
      const written = number(key);
      if (written !== undefined && written !== value)
        throw new Error(`${architecture}.${key} is ${written}, and only ${value} is supported: ${reason}`);
    },
    hasInLayer: (name) => tensors.has(`blk.0.${name}`),
  };
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
