/**
 * Rotary positions (Su et al. 2021, arXiv 2104.09864) and the scalings of their frequencies for longer texts, with the keys and
 * the formulas of transformers: `linear` (position interpolation, Chen et al. 2023), `dynamic` (NTK-aware), `llama3`
 * (Grattafiori et al. 2024), `yarn` (Peng et al. 2023, section 3) and `longrope` (Ding et al. 2024).
 */
import * as z from "zod";
import { allowOnly, positiveInt } from "./config";

const positive = z.number().positive();

/** The keys of each type: those it needs, and those it may have. */
const typeKeys = {
  default: { needs: [], may: [] },
  linear: { needs: ["factor"], may: [] },
  dynamic: { needs: ["factor"], may: [] },
  llama3: {
    needs: ["factor", "low_freq_factor", "high_freq_factor"],
    may: ["original_max_position_embeddings"],
  },
  yarn: {
    needs: ["factor"],
    may: [
      ...["original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow"],
      ...["mscale", "mscale_all_dim", "truncate", "finetuned"],
    ],
  },
  longrope: {
    needs: ["short_factor", "long_factor"],
    may: ["factor", "attention_factor", "original_max_position_embeddings"],
  },
} as const satisfies Readonly<Record<string, { needs: readonly string[]; may: readonly string[] }>>;
export type RotaryType = keyof typeof typeKeys;
const allTypes = Object.keys(typeKeys) as RotaryType[];

/** Far above half the width of any head; a longer list indicates another kind of file. */
const maxFactors = 4096;
const factors = z.array(positive).max(maxFactors).nullish();

const settingsFields = {
  rope_type: z.string().nullish(),
  type: z.string().nullish().describe("Old name of `rope_type`."),
  rope_theta: positive.nullish(),
  factor: positive.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: positiveInt.nullish(),
  attention_factor: z.number().min(0).nullish(),
  beta_fast: z.number().min(0).nullish(),
  beta_slow: z.number().min(0).nullish(),
  mscale: z.number().min(0).nullish(),
  mscale_all_dim: z.number().min(0).nullish(),
  truncate: z.boolean().optional(),
  short_factor: factors,
  long_factor: factors,
};
export type Settings = z.output<z.ZodObject<typeof settingsFields>> & {
  readonly partial_rotary_factor?: unknown;
};

interface RotaryOptions {
  /** The types that the family has in transformers; all when left out. */
  readonly types?: readonly RotaryType[];
  /** Other names of types. */
  readonly typeNames?: Readonly<Record<string, RotaryType>>;
  /** The key that holds the share of a head's channels that are rotated. */
  readonly partial?: z.ZodType;
}

/** The key of families that rotate all channels. */
export const wholeRotary = allowOnly([1], "all channels of a head are rotated");
/** Share of the channels of a head that are rotated. */
export const partialFactor = z.number().positive().max(1);

const typeOf = ({ rope_type, type }: Settings): string => rope_type ?? type ?? "default";

/** `rope_parameters` and `rope_scaling`. An unscaled type ignores the keys of the others, as transformers does. */
export function createRotarySettings({
  types = allTypes,
  typeNames = {},
  partial = wholeRotary,
}: RotaryOptions) {
  return z
    .looseObject({ ...settingsFields, partial_rotary_factor: partial })
    .superRefine((settings, context) => {
      const fault = (key: string, message: string, input: unknown) =>
        context.addIssue({ code: "custom", path: [key], message, input });
      const written = typeOf(settings);
      const type = typeNames[written] ?? written;
      if (!(types as readonly string[]).includes(type)) {
        const allowed = [...types, ...Object.keys(typeNames)].join(", ");
        const key = settings.rope_type == null ? "type" : "rope_type";
        fault(
          key,
          `rotary frequencies of the type "${written}" are not supported; allowed are ${allowed}`,
          written,
        );
        return;
      }
      if (type === "default") return;
      const { needs, may } = typeKeys[type as RotaryType];
      const own: readonly string[] = [
        "rope_type",
        "type",
        "rope_theta",
        "partial_rotary_factor",
        ...needs,
        ...may,
      ];
      for (const key of needs)
        if ((settings as Readonly<Record<string, unknown>>)[key] == null)
          fault(key, `rotary frequencies of the type "${written}" need ${key}; write it`, settings);
      for (const [key, value] of Object.entries(settings))
        if (!own.includes(key))
          fault(key, `rotary frequencies of the type "${written}" do not use ${key}; remove it`, value);
      const { low_freq_factor: low, high_freq_factor: high } = settings;
      if (low != null && high != null && high <= low)
        fault("high_freq_factor", `it has to be greater than low_freq_factor ${low}`, high);
    })
    .nullable()
    .optional();
}

/** Keys of rotary families, apart from the share of rotated channels. Newer files write `rope_theta` in `rope_parameters`. */
export function createRopeKeys(options: RotaryOptions = {}) {
  const settings = createRotarySettings(options);
  const types = (options.types ?? allTypes).map((type) => `\`${type}\``).join(", ");
  return {
    rope_theta: positive.default(10_000).describe("Base of the rotary frequencies."),
    rope_parameters: settings.describe(
      `Rotary settings of newer configuration files; they take precedence over \`rope_theta\`. Types: ${types}.`,
    ),
    rope_interleaved: allowOnly([false], "channels are rotated in halves of a head, not as neighbors"),
    rope_scaling: settings.describe(
      `Rotary settings of older configuration files; they take precedence over \`rope_parameters\`. Types: ${types}.`,
    ),
    original_max_position_embeddings: positiveInt
      .nullable()
      .optional()
      .describe(
        "Longest sequence before the frequencies were scaled; takes precedence over the key of that name in the rotary settings.",
      ),
  };
}

export interface RotaryConfig {
  readonly rope_theta: number;
  readonly rope_parameters?: Settings | null | undefined;
  readonly rope_scaling?: Settings | null | undefined;
  readonly max_position_embeddings: number;
  readonly original_max_position_embeddings?: number | null | undefined;
  readonly partial_rotary_factor?: unknown;
}

/** Returns the rotary settings with the precedence of transformers: an empty object counts as missing. */
export function selectSettings({ rope_parameters, rope_scaling }: RotaryConfig): Settings {
  const isWritten = rope_scaling != null && Object.keys(rope_scaling).length > 0;
  return (isWritten ? rope_scaling : rope_parameters) ?? {};
}

/** Returns the type of the rotary frequencies, `default` if they are not scaled. */
export const resolveRotaryType = (config: RotaryConfig): string => typeOf(selectSettings(config));

/** Returns the base of the rotary frequencies. */
export function resolveRopeTheta(config: RotaryConfig): number {
  return selectSettings(config).rope_theta ?? config.rope_theta;
}

/** Returns the share of the channels of a head that are rotated. */
export function resolveRotatedShare(config: RotaryConfig): number {
  return (selectSettings(config).partial_rotary_factor ?? config.partial_rotary_factor ?? 1) as number;
}

/** Returns the number of channels of a head that are rotated: the first ones. */
export function countRotated(config: RotaryConfig, headDim: number): number {
  return Math.trunc(headDim * resolveRotatedShare(config));
}

export interface Frequencies {
  /** Radians per position of each pair of rotated channels. */
  readonly frequencies: Float32Array;
  /** Replaces the frequencies of all positions in a text that has positions from this one on: `longrope`. */
  readonly long?: { readonly frequencies: Float32Array; readonly from: number };
  /** Factor of the cosines and sines. */
  readonly scale: number;
}

/** Other names of the types of a family, as in `createRopeKeys`. */
export type TypeNames = RotaryOptions["typeNames"];

/** Computes the frequencies of a configuration whose keys have been checked. */
export function computeFrequencies(
  config: RotaryConfig,
  headDim: number,
  typeNames: TypeNames = {},
): Frequencies {
  const settings = selectSettings(config);
  const theta = resolveRopeTheta(config);
  const width = countRotated(config, headDim);
  const plain = Float64Array.from({ length: width / 2 }, (_, i) => theta ** ((-2 * i) / width));
  const scaled = (scaleOf: (frequency: number, index: number) => number, scale = 1): Frequencies => ({
    frequencies: Float32Array.from(plain, scaleOf),
    scale,
  });
  const { max_position_embeddings: longest } = config;
  const original =
    config.original_max_position_embeddings ?? settings.original_max_position_embeddings ?? longest;
  const written = typeOf(settings);
  switch (typeNames[written] ?? written) {
    case "linear":
      return scaled((frequency) => frequency / settings.factor!);
    case "llama3":
      return scaled((frequency) => interpolateLlama3(frequency, settings, original));
    case "yarn": {
      const ramp = createYarnRamp(settings, { theta, width, original });
      return scaled(
        (frequency, i) => (frequency / settings.factor!) * ramp(i) + frequency * (1 - ramp(i)),
        settings.attention_factor ?? computeYarnScale(settings),
      );
    }
    case "longrope": {
      const factor = settings.factor ?? longest / original;
      const scale =
        settings.attention_factor ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original)));
      const divided = (list: readonly number[]) => Float32Array.from(plain, (each, i) => each / list[i]!);
      return {
        frequencies: divided(settings.short_factor!),
        long: { frequencies: divided(settings.long_factor!), from: original },
        scale,
      };
    }
    // Up to max_position_embeddings, beyond which no sequence is computed, dynamic frequencies are unscaled.
    default:
      return scaled((frequency) => frequency);
  }
}

/** Keeps short waves, divides long ones by the factor, and interpolates between the two. */
function interpolateLlama3(frequency: number, settings: Settings, original: number): number {
  const [factor, low, high] = [settings.factor!, settings.low_freq_factor!, settings.high_freq_factor!];
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < original / high) return frequency;
  if (wavelength > original / low) return frequency / factor;
  const smooth = (original / wavelength - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** Returns the share of interpolation for each pair of channels: 0 for fast rotations, 1 for slow ones. */
function createYarnRamp(
  settings: Settings,
  { theta, width, original }: { readonly theta: number; readonly width: number; readonly original: number },
): (index: number) => number {
  const [fast, slow] = [orDefault(settings.beta_fast, 32), orDefault(settings.beta_slow, 1)];
  const dimensionOf = (rotations: number) =>
    (width * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const isTruncated = settings.truncate ?? true;
  const low = Math.max(isTruncated ? Math.floor(dimensionOf(fast)) : dimensionOf(fast), 0);
  const high = Math.min(isTruncated ? Math.ceil(dimensionOf(slow)) : dimensionOf(slow), width - 1);
  const span = low === high ? 0.001 : high - low;
  return (index) => Math.min(1, Math.max(0, (index - low) / span));
}

/** As in transformers, 0 counts as missing. */
const orDefault = (value: number | null | undefined, fallback: number): number =>
  value == null || value === 0 ? fallback : value;

function computeYarnScale({ factor, mscale, mscale_all_dim: all }: Settings): number {
  const scaleOf = (weight: number) => (factor! <= 1 ? 1 : 0.1 * weight * Math.log(factor!) + 1);
  const [own, whole] = [orDefault(mscale, 0), orDefault(all, 0)];
  return own === 0 || whole === 0 ? scaleOf(1) : scaleOf(own) / scaleOf(whole);
}

/** Rules between rotary keys and the width of a head, reported at the key to change. */
export function checkRotary(
  config: RotaryConfig,
  headDim: number,
  context: z.RefinementCtx,
  typeNames: TypeNames = {},
): void {
  // A width that is not positive is a fault of the sizes, which is reported there.
  if (!(headDim > 0)) return;
  const width = countRotated(config, headDim);
  const fault = (path: string[], message: string) =>
    context.addIssue({ code: "custom", path, message, input: config });
  const settings = selectSettings(config);
  const key = settings === config.rope_scaling ? "rope_scaling" : "rope_parameters";
  if (width < 2 || width % 2 !== 0) {
    const isInside = settings.partial_rotary_factor != null;
    fault(
      isInside ? [key, "partial_rotary_factor"] : ["partial_rotary_factor"],
      `${width} of the ${headDim} channels of a head would be rotated, which has to be an even number of at least 2`,
    );
    return;
  }
  const written = typeOf(settings);
  if ((typeNames[written] ?? written) !== "longrope") return;
  for (const list of ["short_factor", "long_factor"] as const) {
    const { length } = settings[list] ?? { length: width / 2 };
    if (length !== width / 2)
      fault(
        [key, list],
        `it has ${length} factors for ${width / 2} pairs of rotated channels; write one for each`,
      );
  }
}
