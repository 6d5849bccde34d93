/**
 * Calibration: collects statistics of the inputs of a model's matrices while the model reads text. A method defines them as
 * graph values of the input; the device computes them, and they are summed over all batches in double precision.
 */
import type { Batch } from "../../data/split";
import type { Tensors } from "../../engine/engine";
import type { Graph } from "../../graph/graph";
import { constant, input, scalar, type Value } from "../../graph/op";
import { greater, mul, where } from "../../graph/ops/elementwise";
import { matmul } from "../../graph/ops/matmul";
import { reshape } from "../../graph/ops/movement";
import { expand, sum, sumSquares } from "../../graph/ops/reduction";
import type { ModelInputs } from "../../models/family";
import { createValue, forward, type ModelShape, parametersOf } from "../../models/model";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import { disposeAll, pickTensors } from "../../training/evaluateLoss";
import { feedBatch, uploadAll } from "../../training/feeds";
import { type Calibration, type ObserveCall, ProgramsByRows, readCalibrationBatches } from "./batches";

/**
 * Statistics of one matrix, from its input x [batch · time, inputs], whose padding rows are zero, and from `counted`
 * [batch · time, 1], which is 1 for text and 0 for padding. `rows` is the number of sequences. Each is summed over the
 * batches; of one named `largest`, the largest values are kept.
 */
export type Tap = (x: Value, counted: Value, rows: number) => Readonly<Record<string, Value>>;

/** The statistic `gram`: XᵀX [inputs, inputs]. */
export const gramTap: Tap = (x) => ({ gram: matmul(x, x, { transposeA: true }) });

/** The statistic `squares`: Σ x² of each input, [inputs]. */
export const squaresTap: Tap = (x) => ({ squares: sumSquares(x, { axes: [0], keepDims: false }) });

/** The statistics `sums`, Σ x of each input [inputs], and `count`, the number of tokens [1]. */
export const sumsTap: Tap = (x, counted) => ({
  sums: sum(x, { axes: [0], keepDims: false }),
  count: sum(counted, { axes: [0], keepDims: false }),
});

/** Statistics of one layer, from its input and its output [batch · time, width], and from `counted` as of `Tap`. */
export type LayerTap = (input: Value, output: Value, counted: Value) => Readonly<Record<string, Value>>;
/** By role, then by the tap's name. Those of a layer are at `nameLayer(layer)`. */
export type Observations = ReadonlyMap<string, Readonly<Record<string, Float64Array>>>;

export async function observe(
  { shape, tensors }: Pick<Checkpoint, "shape" | "tensors">,
  taps: ReadonlyMap<string, Tap>,
  calibration: Calibration,
  call: ObserveCall,
  layerTap?: LayerTap,
): Promise<Observations> {
  if (taps.size === 0 && layerTap === undefined) return new Map();
  const { engine } = call;
  const sums = new StatisticSums();
  const weights = uploadAll(engine, tensors);
  await using programs = new ProgramsByRows(engine, (batch) =>
    buildObservation(shape, batch, taps, layerTap),
  );
  try {
    for (const batch of readCalibrationBatches(calibration, call)) {
      const program = await programs.get(batch);
      const feeds = feedBatch(engine, batch);
      const results = await program.run(pickTensors(program.inputs, { ...weights, ...feeds }));
      await sums.add(results);
      disposeAll(feeds);
      disposeAll(results);
    }
  } finally {
    disposeAll(weights);
  }
  return sums.byRole();
}

/** Outputs: the statistics of the matrices of a batch, by `nameStatistic`. */
function buildObservation(
  shape: ModelShape,
  batch: Batch,
  taps: ReadonlyMap<string, Tap>,
  layerTap: LayerTap | undefined,
): Graph {
  const outputs: Record<string, Value> = {};
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const inputs = createBatchInputs(batch);
  const text = createTextMask(batch, inputs);
  const observedRoles = new Set<string>();
  const onMatrix = (role: string, x: Value) => {
    const tap = taps.get(role);
    if (tap === undefined) return;
    observedRoles.add(role);
    Object.assign(outputs, nameStatistics(role, tap(text.keep(x), text.countRows(x), batch.rows)));
  };
  let layer = 0;
  forward(shape, (name) => values.get(name)!, inputs, {
    onMatrix,
    onPiece: onMatrix,
    onLayer: (from, to) => {
      if (layerTap === undefined) return;
      Object.assign(outputs, nameStatistics(nameLayer(layer++), layerTap(from, to, text.counted)));
    },
  });
  const missing = [...taps.keys()].filter((role) => !observedRoles.has(role));
  if (missing.length > 0) throw new Error(`No matrix ${missing.join(", ")} is applied on its own.`);
  return { outputs };
}

export function createBatchInputs({ rows, length, segments, positions, types }: Batch): ModelInputs {
  const named = (name: string) => input(name, [rows, length], "int32");
  return {
    tokens: named("tokens"),
    ...(segments === undefined ? {} : { segments: named("segments") }),
    ...(positions === undefined ? {} : { positions: named("positions") }),
    ...(types === undefined ? {} : { types: named("types") }),
  };
}

export interface TextMask {
  /** [batch · time, 1]: 1 for text and 0 for padding. */
  readonly counted: Value;
  /** The same for the rows of the input of a matrix, of which a core of a matrix has several for each token. */
  countRows(x: Value): Value;
  /** Zeros the rows of padding, so that no sum counts them. */
  keep(x: Value): Value;
}

export function createTextMask({ rows, length }: Batch, { segments }: ModelInputs): TextMask {
  const shape = [rows * length, 1] as const;
  const ones = constant(new Float32Array(shape[0]).fill(1), shape);
  const repeat = (counted: Value, rows: number): Value => {
    const times = rows / shape[0];
    return times === 1
      ? counted
      : reshape(expand(counted, { shape: [shape[0], times] }), { shape: [rows, 1] });
  };
  if (segments === undefined)
    return { counted: ones, countRows: (x) => repeat(ones, x.type.shape[0]!), keep: (x) => x };
  const isText = greater(reshape(segments, { shape }), constant(Int32Array.of(0), []));
  const counted = where(isText, ones, scalar(0));
  const countRows = (x: Value) => repeat(counted, x.type.shape[0]!);
  return { counted, countRows, keep: (x) => mul(x, countRows(x)) };
}

/** The place of a layer's statistics among those of roles. */
export const nameLayer = (layer: number): string => `layer ${layer}`;

/** Names outputs so that `StatisticSums` can find the role and the statistic again. */
export function nameStatistics(role: string, statistics: ReturnType<Tap>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(statistics).map(([name, value]) => [`${statisticPrefix}${role}#${name}`, value]),
  );
}

const statisticPrefix = "observed:";
/** Name of a statistic of non-negative numbers of which the largest over the batches is kept. */
const largestName = "largest";

/** Sums statistics over batches in double precision. */
export class StatisticSums {
  readonly #sums = new Map<string, Float64Array>();

  /** Adds the outputs of a run that `nameStatistics` named. */
  async add(results: Tensors): Promise<void> {
    for (const [output, tensor] of Object.entries(results)) {
      if (!output.startsWith(statisticPrefix)) continue;
      const data = (await tensor.read()) as Float32Array;
      const sum = this.#sums.get(output) ?? new Float64Array(data.length);
      if (output.endsWith(`#${largestName}`))
        for (let i = 0; i < data.length; i++) sum[i] = Math.max(sum[i]!, data[i]!);
      else for (let i = 0; i < data.length; i++) sum[i]! += data[i]!;
      this.#sums.set(output, sum);
    }
  }

  byRole(): Observations {
    const observed = new Map<string, Record<string, Float64Array>>();
    for (const [output, sum] of this.#sums) {
      const [role, name] = output.slice(statisticPrefix.length).split("#") as [string, string];
      observed.set(role, { ...observed.get(role), [name]: sum });
    }
    return observed;
  }
}
