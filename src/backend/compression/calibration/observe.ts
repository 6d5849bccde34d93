/**
 * Calibration: collects statistics of the inputs of a model's matrices while the model reads text. A method defines them as
 * graph values of the input; the device computes them, and they are summed over all batches in double precision.
 */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import { Sampler } from "../../data/sampler";
import type { Batch, Split } from "../../data/split";
import type { Engine } from "../../engine/engine";
import { constant, input, scalar, type Value } from "../../graph/op";
import { greater, mul, where } from "../../graph/ops/elementwise";
import { reshape } from "../../graph/ops/movement";
import { forward, parametersOf, createValue } from "../../models/model";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import { disposeAll, pickTensors } from "../../training/evaluateLoss";
import { feedBatch, uploadAll } from "../../training/feeds";

/**
 * Statistics of one matrix, from its input x [batch · time, inputs], whose padding rows are zero, and from `counted`
 * [batch · time, 1], which is 1 for text and 0 for padding. Each is summed over the batches.
 */
export type Tap = (x: Value, counted: Value) => Readonly<Record<string, Value>>;
/** By role, then by the tap's name. */
export type Observations = ReadonlyMap<string, Readonly<Record<string, Float64Array>>>;

export const calibrationSchema = z
  .strictObject({
    samples: z.int().min(1).default(128).describe("Number of sequences of the training split to read."),
    batch_size: z.int().min(1).default(8).describe("Sequences per batch."),
  })
  .prefault({})
  .describe("How much calibration text to read, if the other options need any.");
export type Calibration = z.output<typeof calibrationSchema>;

export interface ObserveCall {
  readonly engine: Engine;
  readonly train: Split;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly progress: (done: number, total: number, what: string) => void;
}

export interface CalibrationBatches {
  /** Properties that all batches share. */
  readonly first: Batch;
  readonly count: number;
  /** Yields every batch once, including the first. Reports progress, and throws `cancelled` if the call is aborted. */
  all(): Generator<Batch>;
}

export function createCalibrationBatches(
  { samples, batch_size: size }: Calibration,
  { train, seed, signal, progress }: ObserveCall,
): CalibrationBatches {
  const sampler = new Sampler(train, size, seed);
  const count = Math.ceil(Math.min(samples, train.sequences) / size);
  const first = sampler.next();
  return {
    first,
    count,
    *all() {
      for (let done = 0; done < count; done++) {
        if (signal.aborted) throw new WorkbenchError("cancelled", "The calibration was stopped.");
        yield done === 0 ? first : sampler.next();
        progress(done + 1, count, "batches read");
      }
    },
  };
}

export async function observe(
  { shape, tensors }: Pick<Checkpoint, "shape" | "tensors">,
  taps: ReadonlyMap<string, Tap>,
  calibration: Calibration,
  call: ObserveCall,
): Promise<Observations> {
  if (taps.size === 0) return new Map();
  const { engine } = call;
  const batches = createCalibrationBatches(calibration, call);
  const { first } = batches;
  const outputs: Record<string, Value> = {};
  const places = new Map<string, { role: string; name: string }>();
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const type = [first.rows, first.length];
  const segments = first.segments && input("segments", type, "int32");
  const counts = [first.rows * first.length, 1] as const;
  const isText = segments && greater(reshape(segments, { shape: counts }), constant(Int32Array.of(0), []));
  // Zero the rows of padding, so that no sum counts them.
  const ones = constant(new Float32Array(counts[0]).fill(1), counts);
  const counted = isText === undefined ? ones : where(isText, ones, scalar(0));
  const ofText = (x: Value) => (isText === undefined ? x : mul(x, counted));
  forward(
    shape,
    (name) => values.get(name)!,
    {
      tokens: input("tokens", type, "int32"),
      ...(segments === undefined ? {} : { segments }),
      ...(first.positions === undefined ? {} : { positions: input("positions", type, "int32") }),
      ...(first.types === undefined ? {} : { types: input("types", type, "int32") }),
    },
    {
      onMatrix: (role, x) => {
        for (const [name, value] of Object.entries(taps.get(role)?.(ofText(x), counted) ?? {})) {
          const output = `observed_${places.size}`;
          places.set(output, { role, name });
          outputs[output] = value;
        }
      },
    },
  );
  const observedRoles = new Set([...places.values()].map(({ role }) => role));
  const missing = [...taps.keys()].filter((role) => !observedRoles.has(role));
  if (missing.length > 0) throw new Error(`No matrix ${missing.join(", ")} is applied on its own.`);
  const program = await engine.compile({ outputs });
  const weights = uploadAll(engine, tensors);
  const sums = new Map<string, Float64Array>();
  try {
    for (const batch of batches.all()) {
      const feeds = feedBatch(engine, batch);
      const results = await program.run(pickTensors(program.inputs, { ...weights, ...feeds }));
      for (const output of places.keys()) {
        const data = (await results[output]!.read()) as Float32Array;
        const sum = sums.get(output) ?? new Float64Array(data.length);
        for (let i = 0; i < data.length; i++) sum[i]! += data[i]!;
        sums.set(output, sum);
      }
      disposeAll(feeds);
      disposeAll(results);
    }
  } finally {
    disposeAll(weights);
    await program[Symbol.asyncDispose]();
  }
  const observed = new Map<string, Record<string, Float64Array>>();
  for (const [output, { role, name }] of places)
    observed.set(role, { ...observed.get(role), [name]: sums.get(output)! });
  return observed;
}
