/**
 * The public interface of this folder: a model is a family, a configuration, and the representation of each matrix.
 * This shape alone, without weights, determines the tensors and builds the forward graph.
 */
import { InvalidInput, WorkbenchError } from "../../protocol/errors";
import { input, parameter, type Value } from "../graph/op";
import { representations } from "../representations/catalog";
import type { MatrixSpec, ParameterSpec, ValueSource } from "../representations/representation";
import { createBias, listBiasParameters, biasRole, isPieceRole } from "./biases";
import { models } from "./catalog";
import { getHead, getLabelCount } from "./classifier";
import { toConfigFaults, findNearest } from "./configFaults";
import { checkExitLayers, exitRole, getExitLayers, hasExits, listExitParameters } from "./exits";
import type {
  AnyFamily,
  Complete,
  Dimensions,
  ForwardOptions,
  ModelInputs,
  RepresentationChoices,
} from "./family";
import { createDropout } from "./layers";
import { bindWeights, listWithPieces, type MatrixSlot, type StoredMatrix } from "./weights";

/** A model without its weights: plain data that checkpoints store. */
export interface ModelShape {
  readonly family: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly representations: RepresentationChoices;
}

export function familyOf(name: unknown): AnyFamily {
  if (typeof name === "string" && Object.hasOwn(models, name)) return models[name]!;
  const allowed = Object.keys(models);
  const near = typeof name === "string" ? findNearest(name, allowed) : undefined;
  throw new WorkbenchError(
    "invalid-input",
    `${name === undefined ? "The model has no model_type" : `Unknown model_type ${JSON.stringify(name)}`}; ` +
      `known are ${allowed.join(", ")}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    { allowed, ...(near === undefined ? {} : { nearest: near }) },
  );
}

/** Fills in `vocab_size` from a tokenizer if the configuration omits it. */
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

/** Returns the shape for a configuration with Hugging Face's keys, `model_type` and `vocab_size` included. */
export function createShape(config: Readonly<Record<string, unknown>>): ModelShape {
  const name = config["model_type"];
  const family = familyOf(name);
  const parsed = family.config.safeParse(config);
  if (!parsed.success) throw new InvalidInput(toConfigFaults(parsed.error.issues, family.config, config));
  const complete = parsed.data as Complete<Record<string, unknown>>;
  if (typeof complete.vocab_size !== "number")
    throw new WorkbenchError(
      "invalid-input",
      "The model has no vocab_size; write it, or name a tokenizer whose size to take.",
    );
  getHead(complete);
  checkExitLayers({ family: name as string, config: complete });
  const declared = family.representations?.(complete) ?? {};
  return withRepresentations({ family: name as string, config: complete, representations: {} }, declared);
}

/**
 * Returns the same model with other representations for some roles; throws if one is not possible. The pieces of a matrix with
 * another representation are dense unless they are among the roles.
 */
export function withRepresentations(shape: ModelShape, choices: RepresentationChoices): ModelShape {
  const wholes = Object.keys(choices);
  const kept = Object.entries(shape.representations).filter(
    ([role]) => !wholes.some((whole) => isPieceRole(role, whole)),
  );
  const changed = { ...shape, representations: { ...Object.fromEntries(kept), ...choices } };
  listMatrixSlots(changed);
  return changed;
}

export function dimensionsOf({ family, config }: ModelShape): Dimensions {
  return familyOf(family).dimensions(config);
}

/** Lists every matrix of the model with its representation. */
export function listMatrixSlots({ family, config, representations: choices }: ModelShape): MatrixSlot[] {
  const { matrices: body, heads } = familyOf(family);
  const classes = getLabelCount(config);
  const head =
    classes === undefined ? heads.language.matrices(config) : heads.classes.matrices(config, classes);
  const matrices = [...body(config), ...head];
  const slots = matrices.map((matrix) => createSlot(matrix, choices));
  const knownRoles = new Set(
    slots.flatMap(({ matrix, stored }) => [
      matrix.role,
      ...(matrix.parts ?? []).map((part) => part.role),
      ...(matrix.bias ? [biasRole(matrix)] : []),
      ...stored.flatMap(listWithPieces).map((each) => each.matrix.role),
    ]),
  );
  const stray = Object.keys(choices).find((role) => !knownRoles.has(role));
  if (stray !== undefined) {
    const near = findNearest(stray, [...knownRoles]);
    throw new WorkbenchError(
      "invalid-input",
      `The model has no matrix ${stray}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
      near === undefined ? {} : { nearest: near },
    );
  }
  return slots;
}

function createSlot(matrix: MatrixSpec, choices: RepresentationChoices): MatrixSlot {
  const parts = partsOf(matrix);
  const split = parts.some(({ role }) => Object.hasOwn(choices, role));
  if (split && Object.hasOwn(choices, matrix.role))
    throw new WorkbenchError(
      "unsupported",
      `${matrix.role} has a representation, and so has one of its parts; give one to the whole or to the parts.`,
    );
  const stored = (split ? parts : [matrix]).map((each) => resolveStoredMatrix(each, choices));
  const bias = matrix.bias ? { bias: createBias(matrix, choices[biasRole(matrix)]) } : {};
  return { matrix, ...bias, stored, split };
}

/** Returns the parts of a packed matrix as separate, named matrices. */
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

function resolveStoredMatrix(matrix: MatrixSpec, choices: RepresentationChoices): StoredMatrix {
  const choice = choices[matrix.role];
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
  const options: unknown = parsed.data;
  const pieces = (representation.pieces?.(matrix, options) ?? []).map((piece) =>
    resolveStoredMatrix(piece, choices),
  );
  const isPlain = pieces.every((piece) => piece.type === "dense");
  return {
    matrix,
    type,
    representation: isPlain ? representation : representation.withPieces!(pieces),
    options,
    pieces,
  };
}

/**
 * Lists every stored tensor of the model; tied tensors are listed once. Of a model with adapters, only these and the head over
 * classes are trained, as PEFT does; of a model with exits, only the exits.
 */
export function parametersOf(shape: ModelShape): ParameterSpec[] {
  const matrices = listMatrixSlots(shape).flatMap(({ stored, bias }) => [
    ...stored.flatMap(({ matrix, representation, options }) => representation.parameters(matrix, options)),
    ...(bias === undefined ? [] : listBiasParameters(bias)),
  ]);
  const specs = [...matrices, ...tensorsOf(shape)];
  if (!hasAdapters(shape) && !hasExits(shape)) return specs;
  const isTrained = createTrainedTest(shape);
  const trainsAdapters = !hasExits(shape);
  return specs.map((spec) =>
    (trainsAdapters && spec.adapter === true) || isTrained(spec.role) ? spec : { ...spec, trainable: false },
  );
}

/** Whether a matrix of the model has an adapter. */
export function hasAdapters({ representations: choices }: Pick<ModelShape, "representations">): boolean {
  return Object.values(choices).some(({ type }) => type === "adapted");
}

/** Returns whether the tensors of a role are trained, apart from its adapter. */
export function createTrainedTest(shape: ModelShape): (role: string) => boolean {
  if (hasExits(shape)) {
    const exitRoles = new Set(getExitLayers(shape.config).map(exitRole));
    return (role) => exitRoles.has(role);
  }
  if (!hasAdapters(shape)) return () => true;
  const headRoles = new Set(listClassHeadMatrices(shape).map(({ role }) => role));
  return (role) => headRoles.has(role);
}

/** Lists the matrices of the head over classes; none for a language model. */
export function listClassHeadMatrices({
  family,
  config,
}: Pick<ModelShape, "family" | "config">): readonly MatrixSpec[] {
  const classes = getLabelCount(config);
  return classes === undefined ? [] : familyOf(family).heads.classes.matrices(config, classes);
}

/** Returns the head of this model: over classes if the configuration has some, else over the vocabulary. */
function findHead({ family, config }: Pick<ModelShape, "family" | "config">) {
  const { heads } = familyOf(family);
  return getLabelCount(config) === undefined ? heads.language : heads.classes;
}

/** Returns the transformers class of a model. */
export function architectureOf(shape: Pick<ModelShape, "family" | "config">): string {
  return findHead(shape).architecture;
}

/** Lists tensors that are neither matrices nor their biases: norms, and exits. */
export function tensorsOf({ family, config }: Pick<ModelShape, "family" | "config">): ParameterSpec[] {
  const { tensors, dimensions } = familyOf(family);
  return [
    ...tensors(config),
    ...(findHead({ family, config }).tensors?.(config) ?? []),
    ...listExitParameters(config, dimensions(config).width),
  ];
}

/** Returns the graph value of a stored tensor: a parameter if it is trained, otherwise an input. */
export function createValue({ name, shape, dtype, trainable }: ParameterSpec): Value {
  return trainable ? parameter(name, shape) : input(name, shape, dtype);
}

/** Whether files of transformers have the outputs of a matrix in another order. */
export function hasFileOrder({ family, config }: ModelShape, { name }: MatrixSpec): boolean {
  return familyOf(family).fileRows?.(config, `${name}.weight`) !== undefined;
}

/** Throws if texts of up to `slots` tokens cannot grow token by token. */
export function checkGrowth({ family, config }: ModelShape, slots: number): void {
  const limit = familyOf(family).longestGrowth?.(config);
  if (limit === undefined || slots <= limit) return;
  throw new WorkbenchError(
    "unsupported",
    `A text cannot grow to ${slots} tokens: beyond ${limit} tokens (original_max_position_embeddings), longrope changes the rotary frequencies of all earlier tokens. ` +
      `Use at most ${limit} tokens, prompt and new ones together.`,
  );
}

/** Builds the logits [batch · time, vocabulary] or [batch · time, classes], or only `options.rows` of them. */
export function forward(
  shape: ModelShape,
  weights: ValueSource,
  inputs: ModelInputs,
  options: ForwardOptions = {},
): Value {
  return buildLogits(shape, weights, buildHiddenStates(shape, weights, inputs, options), options);
}

/** Builds the head alone: [rows, width] → [rows, vocabulary], or [rows, classes]. */
export function buildLogits(
  shape: ModelShape,
  weights: ValueSource,
  hidden: Value,
  options: ForwardOptions = {},
): Value {
  const bound = bindWeights(listMatrixSlots(shape), weights, options);
  const scores = findHead(shape).apply(shape.config, bound, hidden);
  const expectedWidth = getLabelCount(shape.config) ?? dimensionsOf(shape).vocabulary;
  if (scores.type.shape[1] !== expectedWidth)
    throw new Error(`Logits [${scores.type.shape.join(", ")}] where ${expectedWidth} were expected.`);
  return scores;
}

/** Far above the sites at which a family drops activations. */
const firstAdapterSite = 1 << 20;

/** Builds the input of the head: [batch · time, width], or only `options.rows` of it. */
export function buildHiddenStates(
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
  if (inputs.cache !== undefined && inputs.cache.kept === undefined) checkGrowth(shape, inputs.cache.slots);
  if (time > context)
    throw new WorkbenchError(
      "unsupported",
      `Sequences of ${time} tokens are longer than the model's ${context} positions; shorten sequence_len, or raise model.${keys.context}.`,
    );
  const drop = inputs.dropoutSeed === undefined ? undefined : createDropout(inputs, firstAdapterSite);
  const bound = bindWeights(listMatrixSlots(shape), weights, options, drop);
  return familyOf(shape.family).hidden(shape.config, bound, inputs, options);
}
