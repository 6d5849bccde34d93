/**
 * A model as everything outside this folder sees it: a family, a configuration, and how each matrix is represented.
 * The shape alone, without a single weight, says which tensors there are and builds the forward graph.
 */
import { InvalidInput, WorkbenchError } from "../../protocol/errors";
import { input, parameter, type Value } from "../graph/op";
import { representations } from "../representations/catalog";
import type { MatrixSpec, ParameterSpec, ValueSource } from "../representations/representation";
import { biasOf, biasParameters, biasRole } from "./biases";
import { models } from "./catalog";
import { headOf, labelCount } from "./classifier";
import { faultsOfConfig, nearest } from "./configFaults";
import type {
  AnyFamily,
  Complete,
  Dimensions,
  ForwardOptions,
  ModelInputs,
  RepresentationChoice,
  RepresentationChoices,
} from "./family";
import { bindWeights, type MatrixSlot, type StoredMatrix } from "./weights";

/** Everything about a model but its weights: plain data, which checkpoints keep. */
export interface ModelShape {
  readonly family: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly representations: RepresentationChoices;
}

export function familyOf(name: unknown): AnyFamily {
  if (typeof name === "string" && Object.hasOwn(models, name)) return models[name]!;
  const allowed = Object.keys(models);
  const near = typeof name === "string" ? nearest(name, allowed) : undefined;
  throw new WorkbenchError(
    "invalid-input",
    `${name === undefined ? "The model has no model_type" : `Unknown model_type ${JSON.stringify(name)}`}; ` +
      `known are ${allowed.join(", ")}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    { allowed, ...(near === undefined ? {} : { nearest: near }) },
  );
}

/** Fills in `vocab_size` from a tokenizer where the configuration leaves it out. */
export function completeConfig(
  config: Readonly<Record<string, unknown>>,
  vocabulary: number,
): Readonly<Record<string, unknown>> {
  const written = config["vocab_size"];
  if (written === undefined) return { ...config, vocab_size: vocabulary };
  if (typeof written === "number" && written < vocabulary)
    throw new WorkbenchError(
      "invalid-input",
      `vocab_size is ${written}, but the tokenizer has ${vocabulary} tokens; raise it to ${vocabulary} or leave it out.`,
    );
  return config;
}

/** The shape of a configuration in Hugging Face's key names, `model_type` and `vocab_size` included. */
export function shapeFromConfig(config: Readonly<Record<string, unknown>>): ModelShape {
  const name = config["model_type"];
  const family = familyOf(name);
  const parsed = family.config.safeParse(config);
  if (!parsed.success) throw new InvalidInput(faultsOfConfig(parsed.error.issues, family.config, config));
  const complete = parsed.data as Complete<Record<string, unknown>>;
  if (typeof complete.vocab_size !== "number")
    throw new WorkbenchError(
      "invalid-input",
      "The model has no vocab_size; write it, or name a tokenizer whose size to take.",
    );
  headOf(complete);
  const asked = family.representations?.(complete) ?? {};
  return withRepresentations({ family: name as string, config: complete, representations: {} }, asked);
}

/** The same model with other representations for some roles; refuses what cannot be. */
export function withRepresentations(shape: ModelShape, choices: RepresentationChoices): ModelShape {
  const changed = { ...shape, representations: { ...shape.representations, ...choices } };
  matrixSlots(changed);
  return changed;
}

export function dimensionsOf({ family, config }: ModelShape): Dimensions {
  return familyOf(family).dimensions(config);
}

/** Every matrix of the model with the way it is stored. */
export function matrixSlots({ family, config, representations: choices }: ModelShape): MatrixSlot[] {
  const { matrices: body, heads } = familyOf(family);
  const classes = labelCount(config);
  const head =
    classes === undefined ? heads.language.matrices(config) : heads.classes.matrices(config, classes);
  const matrices = [...body(config), ...head];
  const known = new Set(
    matrices.flatMap((matrix) => [
      matrix.role,
      ...(matrix.parts ?? []).map((part) => part.role),
      ...(matrix.bias ? [biasRole(matrix)] : []),
    ]),
  );
  const stray = Object.keys(choices).find((role) => !known.has(role));
  if (stray !== undefined) {
    const near = nearest(stray, [...known]);
    throw new WorkbenchError(
      "invalid-input",
      `The model has no matrix ${stray}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
      near === undefined ? {} : { nearest: near },
    );
  }
  return matrices.map((matrix) => {
    const parts = partsOf(matrix);
    const split = parts.some(({ role }) => Object.hasOwn(choices, role));
    if (split && Object.hasOwn(choices, matrix.role))
      throw new WorkbenchError(
        "unsupported",
        `${matrix.role} has a representation, and so has one of its parts; give one to the whole or to the parts.`,
      );
    const stored = (split ? parts : [matrix]).map((each) => storedMatrix(each, choices[each.role]));
    const bias = matrix.bias ? { bias: biasOf(matrix, choices[biasRole(matrix)]) } : {};
    return { matrix, ...bias, stored, split };
  });
}

/** The matrices that a packed one is made of, with names of their own. */
export function partsOf(matrix: MatrixSpec): MatrixSpec[] {
  const { parts = [], ...whole } = matrix;
  return parts.map(({ role, purpose, from, to, axis }) => ({
    ...whole,
    role,
    purpose,
    name: `${whole.name}.${role.slice(role.lastIndexOf(".") + 1)}`,
    outputs: to - from,
    bias: false,
    axes: [whole.axes[0], axis],
  }));
}

function storedMatrix(matrix: MatrixSpec, choice: RepresentationChoice | undefined): StoredMatrix {
  const type = choice?.type ?? "dense";
  if (!Object.hasOwn(representations, type))
    throw new WorkbenchError(
      "invalid-input",
      `${matrix.role} cannot be stored as "${type}"; known are ${Object.keys(representations).join(", ")}.`,
    );
  const representation = representations[type]!;
  const parsed = representation.options.safeParse(choice?.options ?? {});
  const fault = parsed.success
    ? representation.refuses?.(matrix, parsed.data)
    : parsed.error.issues.map(({ path, message }) => [...path, message].join(" ")).join("; ");
  if (fault !== undefined)
    throw new WorkbenchError("unsupported", `${matrix.role} cannot be stored as ${type}: ${fault}.`);
  return { matrix, type, representation, options: parsed.data };
}

/** Every stored tensor of the model, tied ones once. */
export function parametersOf(shape: ModelShape): ParameterSpec[] {
  const matrices = matrixSlots(shape).flatMap(({ stored, bias }) => [
    ...stored.flatMap(({ matrix, representation, options }) => representation.parameters(matrix, options)),
    ...(bias === undefined ? [] : biasParameters(bias)),
  ]);
  return [...matrices, ...tensorsOf(shape)];
}

/** What reads the hidden states of this model: classes where the configuration has some, else the vocabulary. */
function headIn({ family, config }: Pick<ModelShape, "family" | "config">) {
  const { heads } = familyOf(family);
  return labelCount(config) === undefined ? heads.language : heads.classes;
}

/** The class of transformers that a model is. */
export function architectureOf(shape: Pick<ModelShape, "family" | "config">): string {
  return headIn(shape).architecture;
}

/** Tensors that are neither matrices nor their biases: norms. */
export function tensorsOf({ family, config }: Pick<ModelShape, "family" | "config">): ParameterSpec[] {
  return [...familyOf(family).tensors(config), ...(headIn({ family, config }).tensors?.(config) ?? [])];
}

/** The graph value that stands for a stored tensor: trained ones as parameters, others as inputs. */
export function valueOf({ name, shape, dtype, trainable }: ParameterSpec): Value {
  return trainable ? parameter(name, shape) : input(name, shape, dtype);
}

/** Logits [batch · time, vocabulary], or of classes, or of the rows that `options` asks for. */
export function forward(
  shape: ModelShape,
  weights: ValueSource,
  inputs: ModelInputs,
  options: ForwardOptions = {},
): Value {
  return logits(shape, weights, hiddenStates(shape, weights, inputs, options), options);
}

/** The head on its own: [rows, width] → [rows, vocabulary], or [rows, classes]. */
export function logits(
  shape: ModelShape,
  weights: ValueSource,
  hidden: Value,
  options: ForwardOptions = {},
): Value {
  const bound = bindWeights(matrixSlots(shape), weights, options);
  const scores = headIn(shape).apply(shape.config, bound, hidden);
  const wanted = labelCount(shape.config) ?? dimensionsOf(shape).vocabulary;
  if (scores.type.shape[1] !== wanted)
    throw new Error(`Logits [${scores.type.shape.join(", ")}] where ${wanted} were expected.`);
  return scores;
}

/** What the head reads: [batch · time, width], or the rows that `options` asks for. */
export function hiddenStates(
  shape: ModelShape,
  weights: ValueSource,
  inputs: ModelInputs,
  options: ForwardOptions = {},
): Value {
  const { context } = dimensionsOf(shape);
  const { keys, mask } = familyOf(shape.family);
  const { tokens, positions, segments, types } = inputs;
  if (tokens.type.shape.length !== 2 || tokens.type.dtype !== "int32")
    throw new Error(
      `Tokens are int32 [batch, time], not ${tokens.type.dtype} [${tokens.type.shape.join(", ")}].`,
    );
  for (const [name, value] of Object.entries({ positions, segments, types }))
    if (
      value !== undefined &&
      (value.type.shape.join() !== tokens.type.shape.join() || value.type.dtype !== "int32")
    )
      throw new Error(`${name} are int32 [${tokens.type.shape.join(", ")}] as the tokens are.`);
  const time = inputs.cache?.slots ?? tokens.type.shape[1]!;
  if (inputs.cache !== undefined && (positions === undefined || segments !== undefined))
    throw new Error("A cache needs the positions of the tokens, and has no segments.");
  if (inputs.cache !== undefined && mask !== "causal")
    throw new Error(`A cache keeps earlier tokens, and the attention of ${shape.family} is ${mask}.`);
  if (time > context)
    throw new WorkbenchError(
      "unsupported",
      `Sequences of ${time} tokens are longer than the model's ${context} positions; shorten sequence_len, or raise model.${keys.context}.`,
    );
  const bound = bindWeights(matrixSlots(shape), weights, options);
  return familyOf(shape.family).hidden(shape.config, bound, inputs, options);
}
