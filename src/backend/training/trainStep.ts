/**
 * One optimizer step as a graph: forward, backward, clipping by global norm and optimizer in one program, so that any
 * device that runs graphs can train. Gradient accumulation uses two programs: one sums gradients, one applies them.
 */
import type { TrainOptions } from "../../schema/experiment";
import type { LossName } from "../../schema/teacher";
import { differentiate } from "../graph/autodiff";
import { type Graph, sortTopologically } from "../graph/graph";
import { input, parameter, scalar, type Shape, type Value } from "../graph/op";
import { add, div, maximum, mul, sqrt } from "../graph/ops/elementwise";
import { crossEntropy, squaredError } from "../graph/ops/loss";
import { concat, reshape, slice } from "../graph/ops/movement";
import { sum, sumSquares } from "../graph/ops/reduction";
import type { Segment } from "../graph/recompute";
import type { ForwardOptions, ModelInputs } from "../models/family";
import { layerRole } from "../models/roles";
import type { ParameterSpec } from "../representations/representation";
import {
  createForwardOptions,
  computeHeadTerms,
  listHeadTerms,
  computeInnerTerms,
  type Part,
  type Taps,
  createTeacherPass,
} from "./distillation";
import { type MemorySavings, noSavings, computeSavingsBySize } from "./memorySavings";
import { gradientMeanSlot } from "./optimizerSlots";
import { optimizers } from "./optimizers/catalog";
import { buildPairLabels, buildPairObjective, buildPairValues, type PairValues } from "./preference";
import type { Trainee } from "./trainee";

export interface BatchShape {
  readonly rows: number;
  readonly length: number;
  /** Whether batches have the document and position of each token. */
  readonly segments: boolean;
  readonly positions: boolean;
  /** Whether batches have token types; a model without token types ignores them. */
  readonly types?: boolean;
}

/** A graph whose `state` outputs are the next values of inputs: output name → input name. */
export interface StatefulGraph extends Graph {
  readonly state: Readonly<Record<string, string>>;
  /** Scalars to report besides the loss, summed over the batches of a step. */
  readonly reported: readonly string[];
}

/** A graph that updates parameters. */
export interface UpdateGraph extends StatefulGraph {
  /** Names of the parameters, in the order of `gradient_squares`. */
  readonly trained: readonly string[];
}

/** A whole step: forward and backward pass, and update. */
export interface TrainStepGraph extends UpdateGraph {
  /** The forward value of each value of the backward pass (see `Differentiation`). */
  readonly origins: ReadonlyMap<Value, Value>;
}

/** Names of the scalar inputs that the trainer feeds. */
export const inverseCountName = "inverse_count";
export const keepGradientsName = "keep_gradients";
export const dropoutSeedName = "dropout_seed";
const getNextName = (name: string) => `${name}:next`;
export const slotName = (parameterName: string, slot: string) => `${parameterName}#${slot}`;
export const gradientName = (parameterName: string) => `${parameterName}#gradient`;

/** The output of a matrix or of a layer, for records of activations. */
export interface NamedOutput {
  readonly role: string;
  readonly value: Value;
}

interface LossGraph {
  /** The loss to minimize. */
  readonly objective: Value;
  /** The loss of the labels alone. */
  readonly loss: Value;
  /** The unweighted terms of a training with a teacher. */
  readonly terms: Readonly<Partial<Record<LossName, Value>>>;
  readonly perToken: Value;
  /** Of a trainee with a preference; what a training step reports of them. */
  readonly pairs?: PairValues;
  readonly reported?: Readonly<Record<string, Value>>;
  readonly segments: readonly Segment[];
  readonly weights: ReadonlyMap<string, Value>;
}

/**
 * Σ of token losses times `inverse_count`, which is 1 / (labels of the whole optimizer step that are not ignored). The model's
 * matrices and layers append their outputs to `named`.
 */
export function buildLoss(
  trainee: Trainee,
  batch: BatchShape,
  { attentionBlock, lossChunk, recompute }: MemorySavings,
  training: boolean,
  named: NamedOutput[] = [],
): LossGraph {
  const { rows, length } = batch;
  const { preference } = trainee;
  const grid: Shape = [rows, length];
  const weights = new Map(
    trainee.parameters.map(({ name, shape, dtype, trainable }) => [
      name,
      trainable ? parameter(name, shape) : input(name, shape, dtype),
    ]),
  );
  const segments: Segment[] = [];
  const inputs: ModelInputs = {
    tokens: input("tokens", grid, "int32"),
    ...(batch.segments ? { segments: input("segments", grid, "int32") } : {}),
    ...(batch.positions ? { positions: input("positions", grid, "int32") } : {}),
    ...(batch.types === true ? { types: input("types", grid, "int32") } : {}),
    // As in TRL, without dropout a preference starts at the reference.
    ...(training && preference === undefined ? { dropoutSeed: input(dropoutSeedName, [], "int32") } : {}),
  };
  const weight = (name: string) => weights.get(name)!;
  // Dropout masks follow from the seed; with the seed as an input they are drawn again instead of stored.
  const seed = inputs.dropoutSeed === undefined ? [] : [inputs.dropoutSeed];
  const teacher = training ? trainee.teacher : undefined;
  const taps: Taps = { layers: [], attention: [] };
  let layers = 0;
  const forward: ForwardOptions = {
    onMatrix: (role, _, value) => named.push({ role, value }),
    onLayer: (from, output) => {
      named.push({ role: layerRole(layers++), value: output });
      if (recompute) segments.push({ inputs: [from, ...seed], output });
    },
    attentionBlock,
    onAttentionBlock: (from, output) =>
      attentionBlock !== undefined && segments.push({ inputs: [...from, ...seed], output }),
  };
  const hidden = trainee.hidden(
    weight,
    inputs,
    teacher === undefined ? forward : createForwardOptions(teacher, taps, forward),
  );
  const flat = (value: Value) => reshape(value, { shape: [rows * length] });
  const pairTokens = {
    tokens: inputs.tokens,
    labels: input("labels", grid, "int32"),
    segments: inputs.segments!,
  };
  const labels = flat(preference === undefined ? pairTokens.labels : buildPairLabels(preference, pairTokens));
  const targets = trainee.isRegression === true ? flat(input("targets", grid)) : undefined;
  const taught = teacher && createTeacherPass(teacher, inputs, attentionBlock);
  const perToken =
    lossChunk === undefined
      ? lossesOf(hidden, labels)
      : concat(...splitChunks(rows * length, lossChunk).map((chunk) => lossesIn(chunk)), { axis: 0 });
  const inverseCount = input(inverseCountName, []);
  if (preference !== undefined) {
    const pairs = buildPairValues(preference, perToken, pairTokens);
    const { objective, reported } = buildPairObjective(pairs, inverseCount);
    return { objective, loss: objective, terms: {}, perToken, pairs, reported, segments, weights };
  }
  const total = sum(perToken, { axes: [0], keepDims: false });
  const mean = (summed: Value) => mul(summed, inverseCount);
  if (teacher === undefined || taught === undefined) {
    const loss = mean(total);
    return { objective: loss, loss, terms: {}, perToken, segments, weights };
  }
  const terms: Partial<Record<LossName, Value>> = {};
  listHeadTerms(teacher).forEach((name, column) => {
    const termValue = slice(total, { axis: 0, start: column, end: column + 1 });
    terms[name] = mean(reshape(termValue, { shape: [] }));
  });
  const { inside } = taught;
  const inner = inside && computeInnerTerms({ ...taps, hidden }, inside, labels, teacher, rows);
  for (const [name, term] of Object.entries(inner ?? {}))
    terms[name as LossName] = mean(sum(term, { axes: [0], keepDims: false }));
  const objective = Object.entries(teacher.weights)
    .map(([name, share]) => mul(terms[name as LossName]!, scalar(share)))
    .reduce((weighed, each) => add(weighed, each));
  return { objective, loss: terms.clm!, terms, perToken, segments, weights };

  /** Loss of each token: [n], or [n, terms] with a teacher. */
  function lossesOf(tokenHidden: Value, tokenLabels: Value, part?: Part): Value {
    if (trainee.loss !== undefined) return trainee.loss(weight, tokenHidden, tokenLabels);
    const logits = trainee.logits(weight, tokenHidden);
    if (targets !== undefined)
      return squaredError(logits, part === undefined ? targets : slice(targets, part), tokenLabels);
    const loss = crossEntropy(logits, tokenLabels);
    if (teacher === undefined || taught === undefined) return loss;
    return computeHeadTerms(teacher, loss, tokenLabels, { hidden: tokenHidden, logits }, taught.of(part));
  }

  function lossesIn(chunk: Part): Value {
    const output = lossesOf(slice(hidden, chunk), slice(labels, chunk), chunk);
    const teachers = taught?.inside === undefined ? [] : [taught.inside.hidden];
    // The gradient of a pair's loss depends on its value, so that its chunks are computed twice.
    segments.push({ inputs: [hidden, ...teachers], output, last: preference === undefined });
    return output;
  }
}

/** Computes the loss in chunks of tokens. */
function splitChunks(tokens: number, size: number): Part[] {
  return Array.from({ length: Math.ceil(tokens / size) }, (_, chunk) => ({
    axis: 0,
    start: chunk * size,
    end: Math.min(tokens, (chunk + 1) * size),
  }));
}

export function listTrainable(trainee: Pick<Trainee, "parameters">): readonly ParameterSpec[] {
  return trainee.parameters.filter(({ trainable }) => trainable);
}

/**
 * `specs` and `gradients` are in the order in which the forward pass first uses the parameters. ONNX Runtime first computes what
 * the last output needs, so the gradients of the last layer are computed first, while the values that they need are in memory.
 * In another order it runs the backward pass down to the first layer and retains everything that the other gradients need.
 */
export function buildLossAndGradients(
  trainee: Trainee,
  batch: BatchShape,
  savings: MemorySavings,
  training = true,
  named: NamedOutput[] = [],
) {
  const built = buildLoss(trainee, batch, savings, training, named);
  const { objective, loss, terms, segments, weights } = built;
  const place = new Map(sortTopologically([objective]).map((value, i) => [value, i]));
  const placeOf = ({ name }: ParameterSpec) => place.get(weights.get(name)!) ?? -1;
  const specs = listTrainable(trainee).toSorted((a, b) => placeOf(a) - placeOf(b));
  const wrt = specs.map(({ name }) => weights.get(name)!);
  const { gradients, again, origins } = differentiate(objective, wrt, { recompute: segments });
  const reported: Record<string, Value> =
    built.reported ?? (trainee.teacher === undefined ? {} : { objective, ...toReportedTerms(terms) });
  return {
    loss: again(loss),
    reported: Object.fromEntries(Object.entries(reported).map(([name, value]) => [name, again(value)])),
    weights,
    specs,
    gradients,
    origins,
  };
}

/** Values that a training with a teacher reports besides the loss of its labels. */
function toReportedTerms({ clm: _, ...terms }: LossGraph["terms"]): Record<string, Value> {
  return Object.fromEntries(Object.entries(terms).map(([name, term]) => [`teacher_${name}`, term]));
}

/**
 * Outputs: `loss` (mean over the labels that are not ignored), `gradient_squares` [parameters] (Σ g² of each, before clipping), and
 * the next parameters and optimizer slots.
 */
export function buildTrainStep(
  trainee: Trainee,
  batch: BatchShape,
  options: TrainOptions,
  savings = computeSavingsBySize(trainee, batch, options),
): TrainStepGraph {
  const { loss, reported, weights, specs, gradients, origins } = buildLossAndGradients(
    trainee,
    batch,
    savings,
  );
  const update = buildUpdate(specs, weights, gradients, options);
  return {
    ...update,
    origins,
    outputs: { loss, ...reported, ...update.outputs },
    reported: Object.keys(reported),
  };
}

/** Adds a batch's gradients to the sums of the previous batches; `keep_gradients` is 0 for the first of a step, else 1. */
export function buildAccumulateStep(
  trainee: Trainee,
  batch: BatchShape,
  options: TrainOptions,
  savings = computeSavingsBySize(trainee, batch, options),
): StatefulGraph {
  const { loss, reported, specs, gradients } = buildLossAndGradients(trainee, batch, savings);
  const keep = input(keepGradientsName, []);
  const outputs: Record<string, Value> = { loss, ...reported };
  const state: Record<string, string> = {};
  specs.forEach(({ name, shape }, i) => {
    const sumName = gradientName(name);
    outputs[getNextName(sumName)] = add(mul(input(sumName, shape), keep), gradients[i]!);
    state[getNextName(sumName)] = sumName;
  });
  return { outputs, state, reported: Object.keys(reported) };
}

/** The loss of a batch as in an evaluation, and its gradients with respect to these tensors, named by `gradientName`. */
export function buildGradients(trainee: Trainee, batch: BatchShape, tensors: ReadonlySet<string>): Graph {
  const studentOnly = { ...trainee, teacher: undefined };
  const {
    loss,
    specs,
    gradients: allGradients,
  } = buildLossAndGradients(studentOnly, batch, noSavings, false);
  const gradients = specs.map(({ name }, i) => [name, allGradients[i]!] as const);
  const selected = gradients.filter(([name]) => tensors.has(name));
  return {
    outputs: {
      loss,
      ...Object.fromEntries(selected.map(([name, gradient]) => [gradientName(name), gradient])),
    },
  };
}

/** The optimizer alone, applied to the gradients that `buildAccumulateStep` summed. */
export function buildApplyStep(trainee: Trainee, options: TrainOptions): UpdateGraph {
  const specs = listTrainable(trainee);
  const weights = new Map(specs.map(({ name, shape }) => [name, parameter(name, shape)]));
  return buildUpdate(
    specs,
    weights,
    specs.map(({ name, shape }) => input(gradientName(name), shape)),
    options,
  );
}

/**
 * Loss of a batch without dropout or update; with `inverse_count` 1, `loss` is the sum over the labels that are not ignored. Of
 * preference pairs instead `pair_loss` [pairs], `rewards` [pairs, 2] and, with ORPO, `text_loss` [pairs].
 */
export function buildEvaluation(trainee: Trainee, batch: BatchShape, savings = noSavings): Graph {
  const { loss, perToken, pairs } = buildLoss(trainee, batch, savings, false);
  if (pairs !== undefined) {
    const { loss: pairLoss, rewards, textLoss } = pairs;
    return {
      outputs: { pair_loss: pairLoss, rewards, ...(textLoss === undefined ? {} : { text_loss: textLoss }) },
    };
  }
  return { outputs: { loss, per_token: reshape(perToken, { shape: [batch.rows, batch.length] }) } };
}

function buildUpdate(
  specs: readonly ParameterSpec[],
  weights: ReadonlyMap<string, Value>,
  gradients: readonly Value[],
  options: TrainOptions,
): UpdateGraph {
  const optimizer = optimizers[options.optim];
  const scalars = Object.fromEntries(
    Object.keys(optimizer.scalars(options, 1, 0)).map((name) => [name, input(name, [])]),
  );
  const squares = concat(
    ...gradients.map((gradient) => {
      const square = sumSquares(gradient, {
        axes: gradient.type.shape.map((_, axis) => axis),
        keepDims: false,
      });
      return reshape(square, { shape: [1] });
    }),
    { axis: 0 },
  ); // [parameters]
  const norm = sqrt(sum(squares, { axes: [0], keepDims: false }));
  // Clipping only scales gradients down; without clipping the graph has no factor.
  const limit = options.max_grad_norm;
  const factor = limit > 0 ? div(scalar(limit), maximum(norm, scalar(limit))) : undefined;

  const outputs: Record<string, Value> = { gradient_squares: squares };
  const state: Record<string, string> = {};
  const advance = (name: string, value: Value): Value => {
    outputs[getNextName(name)] = value;
    state[getNextName(name)] = name;
    return value;
  };
  const isMean = options.cumulative_loss === "ema-grad";
  // ḡ ← d·ḡ + (1 − d)·g
  const meanGradient = (name: string, gradient: Value): Value => {
    const before = input(slotName(name, gradientMeanSlot), gradient.type.shape);
    const { cumulative_decay: decay } = options;
    return add(mul(before, scalar(decay)), mul(gradient, scalar(1 - decay)));
  };
  specs.forEach(({ name, shape, decay }, i) => {
    const clipped = factor === undefined ? gradients[i]! : mul(gradients[i]!, factor);
    const update = optimizer.update({
      parameter: weights.get(name)!,
      gradient: isMean ? advance(slotName(name, gradientMeanSlot), meanGradient(name, clipped)) : clipped,
      slots: optimizer.slots.map((slot) => input(slotName(name, slot), shape)),
      scalars,
      options,
      decay,
    });
    advance(name, update.parameter);
    optimizer.slots.forEach((slot, which) => advance(slotName(name, slot), update.slots[which]!));
  });
  return { outputs, state, reported: [], trained: specs.map(({ name }) => name) };
}
