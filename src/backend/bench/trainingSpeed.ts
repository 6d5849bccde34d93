/** Times whole training steps, including the optimizer, against plain matrix products in the same process. */
import { trainSchema } from "../../schema/experiment";
import type { Batch } from "../data/split";
import type { Engine, Tensor, Tensors } from "../engine/engine";
import { estimateMemory } from "../graph/cost";
import { listInputs } from "../graph/graph";
import { sizeOf } from "../graph/op";
import { recomputeGateName } from "../graph/recompute";
import { initialize } from "../models/initialize";
import { dimensionsOf, listMatrixSlots, type ModelShape, parametersOf } from "../models/model";
import type { Purpose } from "../representations/representation";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import { feedBatch, handOver, uploadScalar } from "../training/feeds";
import { optimizers } from "../training/optimizers/catalog";
import type { MemorySavings } from "../training/memorySavings";
import { getMemoryLimit, chooseMemorySavings } from "../training/stepMemory";
import { createTrainee } from "../training/trainee";
import { buildTrainStep, dropoutSeedName, inverseCountName } from "../training/trainStep";
import { median, openProductRate } from "./productRate";

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

export interface SpeedRequest {
  readonly shape: ModelShape;
  readonly rows: number;
  readonly length: number;
  /** Number of timed steps, which follow `warmup` untimed ones. */
  readonly steps: number;
  readonly warmup: number;
  readonly train?: Readonly<Record<string, unknown>>;
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
  readonly ceilingFlopsPerSecond: number;
  /** flopsPerSecond / ceilingFlopsPerSecond */
  readonly ratio: number;
  readonly lossFirst: number;
  readonly lossLast: number;
  /** Bytes: the graph's own estimate, and the peak of the process so far. */
  readonly estimatedBytes: number;
  readonly peakBytes: number;
  readonly savings: MemorySavings;
}

/** Printed with every figure, because conventions differ (this one: Chowdhery et al. 2022, appendix B). */
export const flopsFormula = "6 · parameters + 12 · layers · heads · head width · sequence, per token";

export function countModelFlops(shape: ModelShape, length: number): number {
  const { layers, heads, headDim } = dimensionsOf(shape);
  // Looking up rows of a table takes no arithmetic; a tied table is also the head.
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
  return 6 * (countParameters(shape) - idle - lookedUp) + 12 * layers * heads * headDim * length;
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
  const options = trainSchema.parse({ weight_decay: 0.1, ...request.train });
  const trainee = createTrainee(shape);
  const size = { rows, length, segments: false, positions: false };
  const savings = chooseMemorySavings(
    trainee,
    size,
    options,
    getMemoryLimit(engine.device.name, engine.device.memoryBytes),
  );
  const graph = buildTrainStep(trainee, size, options, savings);
  const program = await engine.compile(graph, { state: graph.state });
  await using ceiling = await openProductRate(engine);
  const stateTensors: Record<string, Tensor> = {};
  for (const [name, tensor] of initialize(shape, 0)) stateTensors[name] = handOver(engine, tensor);
  const states = new Set(Object.values(graph.state));
  for (const { name, type } of listInputs(graph))
    if (states.has(name) && stateTensors[name] === undefined)
      stateTensors[name] = engine.upload(type, new Float32Array(sizeOf(type.shape)));
  const batch = createSyntheticBatch(rows, length, dimensionsOf(shape).vocabulary);

  const seconds: number[] = [];
  const ceilings: number[] = [];
  const losses: number[] = [];
  for (let step = 1; step <= warmup + steps; step++) {
    const scalars = optimizers[options.optim].scalars(options, step, 1e-3);
    const feeds: Tensors = {
      ...feedBatch(engine, batch),
      ...Object.fromEntries(
        Object.entries(scalars).map(([name, number]) => [name, uploadScalar(engine, number)]),
      ),
      [inverseCountName]: uploadScalar(engine, 1 / (rows * length)),
      [dropoutSeedName]: engine.upload({ dtype: "int32", shape: [] }, Int32Array.of(step)),
      [recomputeGateName]: engine.upload({ dtype: "bool", shape: [] }, Uint8Array.of(1)),
    };
    const startedAt = performance.now();
    const outputs = await program.run(pickTensors(program.inputs, { ...stateTensors, ...feeds }));
    const [loss] = await outputs.loss!.read();
    const elapsed = (performance.now() - startedAt) / 1000;
    for (const [output, name] of Object.entries(graph.state)) stateTensors[name] = outputs[output]!;
    disposeAll(feeds);
    losses.push(Number(loss));
    if (step > warmup) {
      seconds.push(elapsed);
      // Alternate with the steps, so that a drift in the machine's speed affects both.
      for (let i = 0; i < 3; i++) ceilings.push(await ceiling.measure());
    }
    report?.(`step ${step}: ${elapsed.toFixed(3)} s, loss ${Number(loss).toFixed(4)}`);
  }
  disposeAll(stateTensors);
  await program[Symbol.asyncDispose]();

  const secondsPerStep = median(seconds);
  const tokens = rows * length;
  const flopsPerSecond = (countModelFlops(shape, length) * tokens) / secondsPerStep;
  const ceilingFlopsPerSecond = median(ceilings);
  const { state, working } = estimateMemory(graph, graph.state);
  return {
    parameters: countParameters(shape),
    rows,
    length,
    seconds,
    secondsPerStep,
    tokensPerSecond: tokens / secondsPerStep,
    flopsPerSecond,
    ceilingFlopsPerSecond,
    ratio: flopsPerSecond / ceilingFlopsPerSecond,
    lossFirst: losses[0]!,
    lossLast: losses.at(-1)!,
    estimatedBytes: state + working,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    savings,
  };
}

/** A learnable text, so that a falling loss shows that the timed steps train. */
function createSyntheticBatch(rows: number, length: number, vocabulary: number): Batch {
  const token = (i: number) => (i * 31) % vocabulary;
  const size = rows * length;
  return {
    rows,
    length,
    tokens: Int32Array.from({ length: size }, (_, i) => token(i)),
    labels: Int32Array.from({ length: size }, (_, i) => token(i + 1)),
  };
}
