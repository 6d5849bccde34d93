/**
 * One optimizer step as a graph: forward, backward, clipping by global norm and optimizer in one program, so that every
 * device that runs graphs also trains. With gradient accumulation it is two programs: one adds gradients up, one applies them.
 */
import type { TrainOptions } from "../../protocol/experiment";
import { differentiate } from "../graph/autodiff";
import { type Graph, topological } from "../graph/graph";
import { input, parameter, scalar, type Shape, type Value } from "../graph/op";
import { add, div, maximum, mul, sqrt } from "../graph/ops/elementwise";
import { crossEntropy } from "../graph/ops/loss";
import { concat, reshape, slice } from "../graph/ops/movement";
import { sum, sumSquares } from "../graph/ops/reduction";
import type { Segment } from "../graph/recompute";
import type { Dimensions, ForwardOptions, ModelInputs } from "../models/family";
import type { ParameterSpec } from "../representations/representation";
import { type MemorySavings, nothingSaved, savingsBySize } from "./memorySavings";
import { gradientMeanSlot } from "./optimizerSlots";
import { optimizers } from "./optimizers/catalog";

/** What is trained: parameters by name and the forward function over them. */
export interface Trainee {
  readonly parameters: readonly ParameterSpec[];
  readonly dimensions: Dimensions;
  /** What the head reads: [batch · time, width]. */
  hidden(weights: (name: string) => Value, inputs: ModelInputs, options: ForwardOptions): Value;
  /** The head: [rows, width] → logits [rows, vocabulary]. */
  logits(weights: (name: string) => Value, hidden: Value): Value;
}

export interface BatchShape {
  readonly rows: number;
  readonly length: number;
  /** Whether batches say which document a token belongs to, and its place there. */
  readonly segments: boolean;
  readonly positions: boolean;
}

/** A graph whose `state` outputs are the next values of inputs: output name → input name. */
export interface StatefulGraph extends Graph {
  readonly state: Readonly<Record<string, string>>;
}

/** A graph that updates parameters. */
export interface UpdateGraph extends StatefulGraph {
  /** Names of the parameters, in the order of `gradient_squares`. */
  readonly trained: readonly string[];
}

/** Names of the scalar inputs that the trainer feeds. */
export const inverseCountName = "inverse_count";
export const keepGradientsName = "keep_gradients";
export const dropoutSeedName = "dropout_seed";
const next = (name: string) => `${name}:next`;
export const slotName = (parameterName: string, slot: string) => `${parameterName}#${slot}`;
export const gradientName = (parameterName: string) => `${parameterName}#gradient`;

interface LossGraph {
  readonly loss: Value;
  readonly perToken: Value;
  readonly segments: readonly Segment[];
  readonly weights: ReadonlyMap<string, Value>;
}

/** Σ of token losses times `inverse_count`, which is 1 / (labels that count in the whole optimizer step). */
function buildLoss(
  trainee: Trainee,
  batch: BatchShape,
  { attentionBlock, lossChunk, recompute }: MemorySavings,
  training: boolean,
): LossGraph {
  const { rows, length } = batch;
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
    ...(training ? { dropoutSeed: input(dropoutSeedName, [], "int32") } : {}),
  };
  const weight = (name: string) => weights.get(name)!;
  // Masks of dropout follow from the seed; with it among the inputs they are drawn again instead of kept.
  const seed = inputs.dropoutSeed === undefined ? [] : [inputs.dropoutSeed];
  const hidden = trainee.hidden(weight, inputs, {
    onLayer: (from, output) => recompute && segments.push({ inputs: [from, ...seed], output }),
    attentionBlock,
    onAttentionBlock: (from, output) =>
      attentionBlock !== undefined && segments.push({ inputs: [...from, ...seed], output }),
  });
  const labels = reshape(input("labels", grid, "int32"), { shape: [rows * length] });
  const logits = (some: Value) => trainee.logits(weight, some);
  const perToken =
    lossChunk === undefined
      ? crossEntropy(logits(hidden), labels)
      : concat(...chunksOf(rows * length, lossChunk).map((chunk) => lossOf(chunk)), { axis: 0 }); // [rows · length]
  const total = sum(perToken, { axes: [0], keepDims: false });
  return { loss: mul(total, input(inverseCountName, [])), perToken, segments, weights };

  function lossOf(chunk: { axis: number; start: number; end: number }): Value {
    const output = crossEntropy(logits(slice(hidden, chunk)), slice(labels, chunk));
    segments.push({ inputs: [hidden], output, last: true });
    return output;
  }
}

/** Tokens a few at a time. */
function chunksOf(tokens: number, size: number) {
  return Array.from({ length: Math.ceil(tokens / size) }, (_, chunk) => ({
    axis: 0,
    start: chunk * size,
    end: Math.min(tokens, (chunk + 1) * size),
  }));
}

function trainableOf(trainee: Trainee): readonly ParameterSpec[] {
  return trainee.parameters.filter(({ trainable }) => trainable);
}

/**
 * `specs` and `found` are in the order in which the forward pass first uses the parameters. ONNX Runtime computes what the
 * last output needs first, so the gradients of the last layer come first, while the values that they need are there anyway.
 * In another order it takes the backward pass down to the first layer and holds on to what all the others still need.
 */
function lossAndGradients(trainee: Trainee, batch: BatchShape, savings: MemorySavings) {
  const { loss, segments, weights } = buildLoss(trainee, batch, savings, true);
  const place = new Map(topological([loss]).map((value, i) => [value, i]));
  const placeOf = ({ name }: ParameterSpec) => place.get(weights.get(name)!) ?? -1;
  const specs = trainableOf(trainee).toSorted((a, b) => placeOf(a) - placeOf(b));
  const wrt = specs.map(({ name }) => weights.get(name)!);
  const { gradients, value } = differentiate(loss, wrt, { recompute: segments });
  return { loss: value, weights, specs, found: gradients };
}

/**
 * Outputs: `loss` (mean over the labels that count), `gradient_squares` [parameters] (Σ g² of each, before clipping), and
 * the next parameters and optimizer slots.
 */
export function buildTrainStep(
  trainee: Trainee,
  batch: BatchShape,
  options: TrainOptions,
  savings = savingsBySize(trainee, batch, options),
): UpdateGraph {
  const { loss, weights, specs, found } = lossAndGradients(trainee, batch, savings);
  const update = buildUpdate(specs, weights, found, options);
  return { ...update, outputs: { loss, ...update.outputs } };
}

/** Adds a batch's gradients to the sums of the batches before it; `keep_gradients` is 0 for the first of a step, else 1. */
export function buildAccumulateStep(
  trainee: Trainee,
  batch: BatchShape,
  options: TrainOptions,
  savings = savingsBySize(trainee, batch, options),
): StatefulGraph {
  const { loss, specs, found } = lossAndGradients(trainee, batch, savings);
  const keep = input(keepGradientsName, []);
  const outputs: Record<string, Value> = { loss };
  const state: Record<string, string> = {};
  specs.forEach(({ name, shape }, i) => {
    const sumName = gradientName(name);
    outputs[next(sumName)] = add(mul(input(sumName, shape), keep), found[i]!);
    state[next(sumName)] = sumName;
  });
  return { outputs, state };
}

/** The optimizer alone, on gradients that `buildAccumulateStep` has summed. */
export function buildApplyStep(trainee: Trainee, options: TrainOptions): UpdateGraph {
  const specs = trainableOf(trainee);
  const weights = new Map(specs.map(({ name, shape }) => [name, parameter(name, shape)]));
  return buildUpdate(
    specs,
    weights,
    specs.map(({ name, shape }) => input(gradientName(name), shape)),
    options,
  );
}

/** Loss of a batch without dropout or update: `loss` as a sum over the labels that count when `inverse_count` is 1. */
export function buildEvaluation(trainee: Trainee, batch: BatchShape, savings = nothingSaved): Graph {
  const { loss, perToken } = buildLoss(trainee, batch, savings, false);
  return { outputs: { loss, per_token: reshape(perToken, { shape: [batch.rows, batch.length] }) } };
}

function buildUpdate(
  specs: readonly ParameterSpec[],
  weights: ReadonlyMap<string, Value>,
  found: readonly Value[],
  options: TrainOptions,
): UpdateGraph {
  const optimizer = optimizers[options.optim];
  const scalars = Object.fromEntries(
    Object.keys(optimizer.scalars(options, 1, 0)).map((name) => [name, input(name, [])]),
  );
  const squares = concat(
    ...found.map((gradient) => {
      const square = sumSquares(gradient, {
        axes: gradient.type.shape.map((_, axis) => axis),
        keepDims: false,
      });
      return reshape(square, { shape: [1] });
    }),
    { axis: 0 },
  ); // [parameters]
  const norm = sqrt(sum(squares, { axes: [0], keepDims: false }));
  // Gradients shrink to the norm, never grow; without clipping the factor is not there at all.
  const limit = options.max_grad_norm;
  const factor = limit > 0 ? div(scalar(limit), maximum(norm, scalar(limit))) : undefined;

  const outputs: Record<string, Value> = { gradient_squares: squares };
  const state: Record<string, string> = {};
  const advance = (name: string, value: Value): Value => {
    outputs[next(name)] = value;
    state[next(name)] = name;
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
    const clipped = factor === undefined ? found[i]! : mul(found[i]!, factor);
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
  return { outputs, state, trained: specs.map(({ name }) => name) };
}
