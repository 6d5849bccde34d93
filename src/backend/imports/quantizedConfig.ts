/**
 * The `quantization_config` of a published model: which matrices are stored as codes, and how. A key that would change the
 * result is implemented or refused by name. Sources: transformers, `GPTQConfig`, `AwqConfig`; compressed-tensors, `QuantizationConfig`.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { listMatrixSlots, type ModelShape, withRepresentations } from "../models/model";
import type { RepresentationChoices } from "../models/family";
import type { MatrixSpec } from "../representations/representation";
import type { CodeLayoutName } from "./codeLayouts";

export interface FileCoding {
  readonly bits: number;
  /** Inputs that share a scale; undefined if all do. */
  readonly groupSize: number | undefined;
  readonly symmetric: boolean;
}

export interface QuantizedFiles {
  readonly layout: CodeLayoutName;
  /** Undefined for a matrix that is not quantized. */
  codingOf(matrix: MatrixSpec): FileCoding | undefined;
}

function refuse(path: string, value: unknown, allowed: string): WorkbenchError {
  const written = value === undefined ? "missing" : JSON.stringify(value).slice(0, 80);
  return new WorkbenchError(
    "unsupported",
    `quantization_config.${path} is ${written}, but supported is ${allowed}. Use another export of the model, or the model in float32, float16 or bfloat16.`,
  );
}

/** Throws for a method or a setting that is not supported. */
export function readQuantizationConfig(value: unknown): QuantizedFiles {
  const config = z.record(z.string(), z.unknown()).safeParse(value).data;
  const method = config?.["quant_method"];
  if (method === "gptq") return readGptqConfig(config!);
  if (method === "awq") return readAwqConfig(config!);
  if (method === "compressed-tensors") return readPackedConfig(config!);
  throw refuse("quant_method", method, `"gptq", "awq" or "compressed-tensors"`);
}

/** Parses the keys that are known; the first other one is refused, unless its value is empty or off. */
function parse<T extends z.ZodRawShape>(
  schema: z.ZodObject<T>,
  value: Readonly<Record<string, unknown>>,
  ignored: ReadonlySet<string>,
  at = "",
): z.output<z.ZodObject<T>> {
  for (const [name, each] of Object.entries(value))
    if (!Object.hasOwn(schema.shape, name) && !ignored.has(name) && !isOff(each))
      throw refuse(`${at}${name}`, each, "nothing under this key");
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues as [z.core.$ZodIssue];
  const path = issue.path.map(String);
  const found = path.reduce<unknown>(
    (part, name) => (part as Record<string, unknown> | undefined)?.[name],
    value,
  );
  throw refuse(`${at}${path.join(".")}`, found, issue.message);
}

const isOff = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === false ||
  (typeof value === "object" && Object.keys(value).length === 0);

/** Settings of the search for the codes, or of kernels. */
const gptqIgnored = new Set([
  ...[
    "damp_percent",
    "damp_auto_increment",
    "true_sequential",
    "static_groups",
    "dataset",
    "tokenizer",
    "meta",
  ],
  ...[
    "model_name_or_path",
    "model_file_base_name",
    "use_exllama",
    "exllama_config",
    "max_input_length",
    "batch_size",
  ],
  ...["cache_block_outputs", "module_name_preceding_first_block", "block_name_to_quantize", "model_seqlen"],
  ...[
    "use_cuda_fp16",
    "disable_exllama",
    "pad_token_id",
    "mse",
    "hyb_act",
    "backend",
    "quant_method",
    "method",
  ],
  ...["act_group_aware", "gptaq", "v2", "v2_alpha", "failsafe"],
]);

const only = <T extends string | number | boolean>(...values: readonly [T, ...T[]]) =>
  z.literal(values, { error: values.map((each) => JSON.stringify(each)).join(" or ") });

const groupRule = "a positive number or -1";
const groupSize = z
  .int({ error: groupRule })
  .min(-1, groupRule)
  .refine((size) => size !== 0, { error: groupRule });

const gptqSchema = z.object({
  bits: only(2, 3, 4, 8),
  group_size: groupSize,
  desc_act: only(false).default(false),
  sym: z.boolean({ error: "true or false" }).default(true),
  lm_head: z.boolean({ error: "true or false" }).default(false),
  checkpoint_format: only("gptq", "gptq_v2").optional(),
  format: only("gptq", "gptq_v2").optional(),
  pack_dtype: only("int32").optional(),
});

function readGptqConfig(config: Readonly<Record<string, unknown>>): QuantizedFiles {
  const {
    bits,
    group_size: size,
    sym,
    lm_head: withHead,
    ...others
  } = parse(gptqSchema, config, gptqIgnored);
  const coding = { bits, groupSize: size === -1 ? undefined : size, symmetric: sym };
  return {
    layout: others.checkpoint_format ?? others.format ?? "gptq",
    codingOf: ({ kind }) => (kind === "projection" || (kind === "head" && withHead) ? coding : undefined),
  };
}

/** Settings of the search for the scales, or of kernels. transformers also writes those of GPTQ. */
const awqIgnored = new Set([...gptqIgnored, "do_fuse", "fuse_max_seq_len", "modules_to_fuse", "sym"]);
const awqSchema = z.object({
  bits: only(4).default(4),
  group_size: groupSize.default(128),
  // The file has zero points in either case.
  zero_point: z.boolean({ error: "true or false" }).default(true),
  version: z
    .string()
    .transform((version) => version.toLowerCase())
    .pipe(only("gemm"))
    .nullish(),
  format: only("gemm").optional(),
  desc_act: only(false).optional(),
  modules_to_not_convert: z.array(z.string().max(1000), { error: "a list of modules" }).nullish(),
});

/** A matrix of a layer is quantized, unless its name begins or ends with one of `modules_to_not_convert`. */
function readAwqConfig(config: Readonly<Record<string, unknown>>): QuantizedFiles {
  const { bits, group_size: size, modules_to_not_convert: names } = parse(awqSchema, config, awqIgnored);
  const coding = { bits, groupSize: size === -1 ? undefined : size, symmetric: false };
  const tests = (names ?? []).map((name) => {
    const begins = createPattern(`(?:${name})(?:(?<=\\.)|(?=\\.|$))`, "modules_to_not_convert", name);
    return (module: string) => begins.test(module) || module.endsWith(name);
  });
  return {
    layout: "awq",
    codingOf: ({ kind, name }) =>
      kind === "projection" && !tests.some((isNamed) => isNamed(name)) ? coding : undefined,
  };
}

const packedIgnored = new Set(["quant_method", "quantization_status", "global_compression_ratio", "version"]);
const sizeRule = "a positive number";
const weightsSchema = z.object({
  num_bits: z.int({ error: "2 to 8" }).min(2, "2 to 8").max(8, "2 to 8"),
  type: only("int"),
  symmetric: z.boolean({ error: "true or false" }).default(true),
  strategy: only("group", "channel"),
  group_size: z.int({ error: sizeRule }).min(1, sizeRule).nullish(),
  dynamic: only(false).default(false),
  // Groups in the order of the inputs, however they were found.
  actorder: only("static", "weight").nullish(),
});
const weightsIgnored = new Set(["observer", "observer_kwargs", "scale_dtype", "zp_dtype"]);
const groupSchema = z.object({
  targets: z.array(z.string().max(1000), { error: "a list of modules" }).min(1, "a list of modules"),
  weights: z.record(z.string(), z.unknown(), { error: "an object" }),
  format: only("pack-quantized").nullish(),
});
const packedSchema = z.object({
  format: only("pack-quantized"),
  config_groups: z.record(z.string(), z.record(z.string(), z.unknown()), { error: "an object" }),
  ignore: z.array(z.string().max(1000), { error: "a list of modules" }).nullish(),
});

function readPackedConfig(config: Readonly<Record<string, unknown>>): QuantizedFiles {
  const { config_groups: written, ignore } = parse(packedSchema, config, packedIgnored);
  const groups = Object.entries(written).map(([name, group]) => {
    const at = `config_groups.${name}.`;
    const { targets, weights } = parse(groupSchema, group, new Set(), at);
    const {
      num_bits: bits,
      symmetric,
      strategy,
      group_size: size,
    } = parse(weightsSchema, weights, weightsIgnored, `${at}weights.`);
    if (strategy === "group" && size == null) throw refuse(`${at}weights.group_size`, size, sizeRule);
    const coding: FileCoding = {
      bits,
      groupSize: strategy === "group" ? size! : undefined,
      symmetric,
    };
    return { matches: createMatcher(targets, `${at}targets`), coding };
  });
  const isIgnored = createMatcher(ignore ?? [], "ignore");
  return {
    layout: "pack-quantized",
    codingOf: (matrix) =>
      matrix.kind === "embedding" || isIgnored(matrix)
        ? undefined
        : groups.find(({ matches }) => matches(matrix))?.coding,
  };
}

/** Matches the beginning of a name. `written` is the value under the key `at`. */
function createPattern(source: string, at: string, written: string): RegExp {
  try {
    return new RegExp(`^(?:${source})`);
  } catch (cause) {
    throw refuse(at, written, `a valid regular expression (${(cause as Error).message})`);
  }
}

/** A target is the class Linear, the name of a module, or `re:` and a regular expression that its beginning matches. */
function createMatcher(targets: readonly string[], at: string): (matrix: MatrixSpec) => boolean {
  const tests = targets.map((target) => {
    if (target.startsWith("re:")) {
      const pattern = createPattern(target.slice(3), at, target);
      return ({ name }: MatrixSpec) => pattern.test(name);
    }
    return ({ name, layout }: MatrixSpec) => target === name || (target === "Linear" && layout === "out_in");
  });
  return (matrix) => tests.some((test) => test(matrix));
}

/** The model with the representation of each matrix that the files store as codes. */
export function withFileCodes(shape: ModelShape, files: QuantizedFiles): ModelShape {
  const choices: RepresentationChoices = Object.fromEntries(
    listMatrixSlots(shape).flatMap(({ matrix }) => {
      const coding = files.codingOf(matrix);
      if (coding === undefined) return [];
      const { bits, groupSize, symmetric } = coding;
      const size = groupSize === undefined || groupSize === matrix.inputs ? {} : { group_size: groupSize };
      return [[matrix.role, { type: "quantised", options: { bits, symmetric, residual: 0, ...size } }]];
    }),
  );
  return withRepresentations(shape, choices);
}
