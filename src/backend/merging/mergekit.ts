/**
 * Reads a configuration of mergekit (github.com/arcee-ai/mergekit) as a merge of this program: `models`, or one slice of whole
 * models, with parameters that are numbers, numbers over the layers or conditions. What cannot be done is refused by its key.
 */
import * as z from "zod";
import { InvalidInput, WorkbenchError } from "../../protocol/errors";
import { mergeMethods } from "./catalog";
import type { AnyMergeMethod } from "./mergeMethod";
import { type Setting, settingSchema } from "./setting";

const parametersSchema = z.record(z.string(), z.union([z.boolean(), settingSchema]));
const inputSchema = z.strictObject({ model: z.string().min(1), parameters: parametersSchema.optional() });
const sourceSchema = inputSchema.safeExtend({ layer_range: z.tuple([z.int().min(0), z.int().min(1)]) });
const dtypeSchema = z.enum(["float32", "float16", "bfloat16"]);

const configurationSchema = z.strictObject({
  merge_method: z.enum(Object.keys(mergeMethods)),
  base_model: z.string().min(1).optional(),
  models: z.array(inputSchema).min(1).optional(),
  slices: z
    .array(z.strictObject({ sources: z.array(sourceSchema).min(1), parameters: parametersSchema.optional() }))
    .min(1)
    .optional(),
  parameters: parametersSchema.optional(),
  dtype: dtypeSchema.optional(),
  out_dtype: dtypeSchema.optional(),
  tokenizer_source: z.string().min(1).optional(),
});
type Configuration = z.output<typeof configurationSchema>;
type Input = z.output<typeof inputSchema>;
type MergeParameters = z.output<typeof parametersSchema>;

/** A merge that a configuration describes. */
export interface DescribedMerge {
  /** The model that the others are merged with. */
  readonly base: string;
  readonly method: AnyMergeMethod;
  readonly options: unknown;
  /** The number of layers that every model has to have, where the configuration names it. */
  readonly layers: number | undefined;
  /** The type of the weights in the written file. */
  readonly dtype: z.output<typeof dtypeSchema> | undefined;
}

/** Throws `invalid-input` or `unsupported`, with the key. */
export function readMergekitConfiguration(value: unknown): DescribedMerge {
  const configuration = parse(configurationSchema, value);
  const { merge_method: name, out_dtype: written, dtype } = configuration;
  const { inputs, parameters, layers } = listInputs(configuration);
  refuseTokenizer(configuration, inputs);
  const { base, options } =
    name === "linear"
      ? describeMean(configuration, inputs, parameters)
      : name === "slerp"
        ? describeArc(configuration, inputs, parameters)
        : describeTasks(name, configuration, inputs, parameters);
  const method = mergeMethods[name]!;
  return { base, method, options: parse(method.options, options), layers, dtype: written ?? dtype };
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InvalidInput(
    parsed.error.issues.map(
      ({ path, message }) =>
        new WorkbenchError("invalid-input", `${path.join(".") || "The configuration"}: ${message}.`),
    ),
  );
}

interface Inputs {
  readonly inputs: readonly Input[];
  /** Of all models, those of the slice first. */
  readonly parameters: readonly MergeParameters[];
  readonly layers: number | undefined;
}

function listInputs({ models, slices, parameters: shared = {} }: Configuration): Inputs {
  if ((models === undefined) === (slices === undefined))
    throw new WorkbenchError("invalid-input", "Write either models or slices.");
  if (models !== undefined) return { inputs: models, parameters: [shared], layers: undefined };
  const [slice, ...others] = slices!;
  const ranges = slice!.sources.map(({ layer_range: range }) => range);
  const end = ranges[0]![1];
  if (others.length > 0 || ranges.some(([from, to]) => from !== 0 || to !== end))
    throw new WorkbenchError(
      "unsupported",
      "slices: models that are put together from layers of several models are not supported. Write one slice with the same layer_range, all layers, for each model.",
    );
  return { inputs: slice!.sources, parameters: [slice!.parameters ?? {}, shared], layers: end };
}

function describeMean(
  { base_model: base }: Configuration,
  inputs: readonly Input[],
  shared: readonly MergeParameters[],
) {
  if (base !== undefined && !inputs.some(({ model }) => model === base))
    throw new WorkbenchError(
      "invalid-input",
      "base_model: a mean has no base. Remove the key, or name the model among models, with its weight.",
    );
  const [first, ...others] = inputs.map((input) => ({
    model: input.model,
    weight: requireSetting("weight", input, shared),
  }));
  if (others.length === 0) throw createCountError(inputs);
  refuseOthers(shared, ["normalize", "weight", "int8_mask"]);
  return {
    base: first!.model,
    options: { models: others, weight: first!.weight, ...pickBooleans(shared, ["normalize"]) },
  };
}

function describeArc(
  configuration: Configuration,
  inputs: readonly Input[],
  shared: readonly MergeParameters[],
) {
  const base = requireBase(configuration);
  const others = inputs.filter(({ model }) => model !== base);
  if (others.length !== 1) throw createCountError(inputs);
  refuseOthers(shared, ["t"]);
  return { base, options: { model: others[0]!.model, t: requireSetting("t", {}, shared) } };
}

function describeTasks(
  method: string,
  configuration: Configuration,
  inputs: readonly Input[],
  shared: readonly MergeParameters[],
) {
  const base = requireBase(configuration);
  const isSparse = method !== "task_arithmetic";
  const models = inputs
    .filter(({ model }) => model !== base)
    .map((input) => ({
      model: input.model,
      weight: requireSetting("weight", input, shared),
      ...(isSparse ? { density: findSetting("density", input, shared) ?? 1 } : {}),
    }));
  if (models.length === 0) throw createCountError(inputs);
  const isRandom = method.startsWith("dare");
  refuseOthers(shared, [
    "normalize",
    "lambda",
    "weight",
    "density",
    "int8_mask",
    ...(isRandom ? ["rescale"] : []),
  ]);
  const lambda = findSetting("lambda", {}, shared);
  if (lambda !== undefined && typeof lambda !== "number")
    throw new WorkbenchError("unsupported", "parameters.lambda: write one number for all tensors.");
  const { rescale } = pickBooleans(shared, ["rescale"]);
  return {
    base,
    options: {
      models,
      ...(isRandom ? { rescale: rescale === false ? "none" : "norm" } : {}),
      ...(lambda === undefined ? {} : { lambda }),
      ...pickBooleans(shared, ["normalize"]),
    },
  };
}

function requireBase({ base_model: base, merge_method: method }: Configuration): string {
  if (base !== undefined) return base;
  throw new WorkbenchError(
    "invalid-input",
    `base_model: ${method} needs one. Name the model that the others start from.`,
  );
}

function createCountError(inputs: readonly Input[]): WorkbenchError {
  const names = inputs.map(({ model }) => model).join(", ");
  return new WorkbenchError(
    "invalid-input",
    `models: ${names} is not enough, or too many, for this merge_method. slerp takes base_model and one other model, the others take at least two models.`,
  );
}

/** The tokenizer is that of the base. */
function refuseTokenizer(
  { tokenizer_source: source, base_model: base }: Configuration,
  inputs: readonly Input[],
): void {
  const first = base ?? inputs[0]!.model;
  if (source === undefined || source === "base" || source === first) return;
  throw new WorkbenchError(
    "unsupported",
    `tokenizer_source: ${source} is not supported; the merged model has the tokenizer of ${first}. Write base, or leave the key out.`,
  );
}

function refuseOthers(shared: readonly MergeParameters[], known: readonly string[]): void {
  const unknown = shared.flatMap((parameters) => Object.keys(parameters)).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new WorkbenchError(
    "unsupported",
    `parameters.${unknown} is not supported with this merge_method. Allowed: ${known.join(", ")}.`,
    { allowed: known },
  );
}

function requireSetting(name: string, input: Partial<Input>, shared: readonly MergeParameters[]): Setting {
  const setting = findSetting(name, input, shared);
  if (setting !== undefined) return setting;
  throw new WorkbenchError(
    "invalid-input",
    input.model === undefined
      ? `parameters.${name} is missing.`
      : `parameters.${name} of ${input.model} is missing. Write it there, or in the parameters of all models.`,
  );
}

/** The setting of a model, and where its conditions leave a tensor out, those of all models. */
function findSetting(
  name: string,
  input: Partial<Input>,
  shared: readonly MergeParameters[],
): Setting | undefined {
  const found = [input.parameters ?? {}, ...shared]
    .map((parameters) => parameters[name])
    .filter((each) => each !== undefined);
  const settings = found.map((each) => (typeof each === "boolean" ? Number(each) : each));
  if (settings.length < 2) return settings[0];
  return settings.flatMap((setting) => (isConditional(setting) ? setting : [{ value: setting }]));
}

function isConditional(setting: Setting): setting is Exclude<Setting, number | number[]> {
  return Array.isArray(setting) && typeof setting[0] === "object";
}

function pickBooleans(
  shared: readonly MergeParameters[],
  names: readonly string[],
): Readonly<Record<string, boolean>> {
  const entries = names.flatMap((name): [string, boolean][] => {
    const value = shared.map((parameters) => parameters[name]).find((each) => each !== undefined);
    return value === undefined ? [] : [[name, Boolean(value)]];
  });
  return Object.fromEntries(entries);
}
