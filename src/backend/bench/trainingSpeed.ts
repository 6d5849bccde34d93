/** Times whole training steps, including the optimizer, against the best of their own matrix products in the same process. */
import type { Engine } from "../engine/engine";
import { countProductFlops, estimateMemory } from "../graph/cost";
import { sizeOf } from "../graph/op";
import { dimensionsOf, listMatrixSlots, type ModelShape, parametersOf } from "../models/model";
import type { Purpose } from "../representations/representation";
import type { MemorySavings } from "../training/memorySavings";
import { median } from "./median";
import { CeilingSearch, type Ceiling } from "./productRate";
import type { StepProfile } from "./profile";
import { TimedTraining, type TrainingSize } from "./timedTraining";

/** The default model of `lathe bench`: a character-level GPT with 10.7 million parameters. */
export const standardGpt = {
  model_type: "gpt2",
  vocab_size: 65,
  n_embd: 384,
  n_layer: 6,
  n_head: 6,
  n_positions: 256,
  resid_pdrop: 0,
  embd_pdrop: 0,
  attn_pdrop: 0,
} as const;

export interface SpeedRequest extends TrainingSize {
  /** Number of timed steps, which follow `warmup` untimed ones. */
  readonly steps: number;
  readonly warmup: number;
  /** Whether to profile the steps, which makes them slightly slower. */
  readonly profile?: boolean | undefined;
}

export interface Speed {
  readonly parameters: number;
  readonly rows: number;
  readonly length: number;
  /** One entry per timed step. */
  readonly seconds: readonly number[];
  /** Median of `seconds`. */
  readonly secondsPerStep: number;
  readonly tokensPerSecond: number;
  /** Operations of a step according to `countModelFlops`, per second. */
  readonly flopsPerSecond: number;
  /** Operations of the matrix products that a step really computes, recomputed ones included, per second. */
  readonly productFlopsPerSecond: number;
  /** The fastest product of the step, at its best. */
  readonly ceiling: Ceiling;
  /** The smaller of both rates, because masked scores that are skipped are not computed, / the ceiling's rate. */
  readonly ratio: number;
  readonly lossFirst: number;
  readonly lossLast: number;
  /** Bytes: the graph's own estimate, and the peak of the process so far. */
  readonly estimatedBytes: number;
  readonly peakBytes: number;
  readonly savings: MemorySavings;
  readonly profile?: StepProfile | undefined;
}

/** Printed with every figure, because conventions differ (this one: Chowdhery et al. 2022, appendix B). */
export const flopsFormula = "6 · parameters + 12 · layers · heads · head width · sequence, per token";

export function countModelFlops(shape: ModelShape, length: number): number {
  const { layers, heads, headDim } = dimensionsOf(shape);
  return 6 * countMultipliedParameters(shape) + 12 * layers * heads * headDim * length;
}

/** Parameters that every token is multiplied with. Looking up rows of a table takes no arithmetic; a tied table is also the head. */
export function countMultipliedParameters(shape: ModelShape): number {
  const slots = listMatrixSlots(shape);
  const sizeOfTables = (...purposes: Purpose[]) => {
    const roles = slots.flatMap(({ matrix: { purpose, role } }) =>
      purposes.includes(purpose) ? [role] : [],
    );
    const specs = parametersOf(shape).filter(({ role }) => roles.includes(role));
    return specs.reduce((total, spec) => total + sizeOf(spec.shape), 0);
  };
  const idle = sizeOfTables("position embedding", "type embedding");
  const untied = slots.some(({ matrix }) => matrix.purpose === "head");
  const lookedUp = untied ? sizeOfTables("token embedding") : 0;
  return countParameters(shape) - idle - lookedUp;
}

export function countParameters(shape: ModelShape): number {
  return parametersOf(shape).reduce(
    (total, { shape: parameterShape, trainable }) => total + (trainable ? sizeOf(parameterShape) : 0),
    0,
  );
}

export async function measureSpeed(
  engine: Engine,
  request: SpeedRequest,
  report?: (line: string) => void,
): Promise<Speed> {
  const { shape, rows, length, steps, warmup } = request;
  await using training = await TimedTraining.open(engine, request, request.profile);
  const { graph, savings } = training;
  const ceiling = new CeilingSearch(engine, graph, steps);
  const seconds: number[] = [];
  const losses: number[] = [];
  let peakBytes = 0;
  for (let step = 1; step <= warmup + steps; step++) {
    const { seconds: elapsed, loss } = await training.step();
    losses.push(loss);
    report?.(`step ${step}: ${elapsed.toFixed(3)} s, loss ${loss.toFixed(4)}`);
    if (step <= warmup) continue;
    seconds.push(elapsed);
    // The peak of the process only rises; the products between the steps are not part of it.
    if (seconds.length <= 1) peakBytes = process.resourceUsage().maxRSS * 1024;
    // Alternate with the steps, so that a drift in the machine's speed affects both.
    await ceiling.measure();
  }
  const profile = await training.finish(warmup);

  const secondsPerStep = median(seconds);
  const tokens = rows * length;
  const flopsPerSecond = (countModelFlops(shape, length) * tokens) / secondsPerStep;
  const productFlopsPerSecond = countProductFlops(graph) / secondsPerStep;
  const { state, working } = estimateMemory(graph, graph.state);
  return {
    parameters: countParameters(shape),
    rows,
    length,
    seconds,
    secondsPerStep,
    tokensPerSecond: tokens / secondsPerStep,
    flopsPerSecond,
    productFlopsPerSecond,
    ceiling: ceiling.best,
    ratio: Math.min(flopsPerSecond, productFlopsPerSecond) / ceiling.best.flopsPerSecond,
    lossFirst: losses[0]!,
    lossLast: losses.at(-1)!,
    estimatedBytes: state + working,
    peakBytes,
    savings,
    ...(profile === undefined ? {} : { profile }),
  };
}
