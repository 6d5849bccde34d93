/** The calibration text: how much of it to read, its batches, and the programs that read them. */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import { Sampler } from "../../data/sampler";
import type { Batch, Split } from "../../data/split";
import type { Engine, Program } from "../../engine/engine";
import type { Graph } from "../../graph/graph";

export const calibrationSchema = z
  .strictObject({
    samples: z.int().min(1).default(128).describe("Number of sequences of the training split to read."),
    batch_size: z
      .int()
      .min(1)
      .default(8)
      .describe("Sequences per batch. It changes time and memory, but not what is read."),
  })
  .prefault({})
  .describe("How much calibration text to read, if the other options need any.");
/** The same with another default number of sequences, such as to `measure losses on`. `texts` describes what they are for. */
export function createCalibrationSchema(samples: number, use: string, texts: string) {
  return calibrationSchema
    .unwrap()
    .extend({
      samples: z
        .int()
        .min(1)
        .default(samples)
        .describe(`Number of sequences of the training split to ${use}.`),
    })
    .prefault({})
    .describe(texts);
}
export type Calibration = z.output<typeof calibrationSchema>;

export interface ObserveCall {
  readonly engine: Engine;
  readonly train: Split;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly progress: (done: number, total: number, what: string) => void;
}

/**
 * Yields each of `samples` sequences once, or all of the split if it has fewer, in an order that does not depend on the
 * batch size. The last batch is smaller if they do not fill it. Reports progress, and throws `cancelled` if the call is
 * aborted.
 */
export function* readCalibrationBatches(
  calibration: Calibration,
  { train, seed, signal, progress }: ObserveCall,
): Generator<Batch> {
  const samples = countSamples(calibration, train);
  const size = Math.min(calibration.batch_size, samples);
  const sampler = new Sampler(train, size, seed);
  const count = Math.ceil(samples / size);
  for (let done = 0; done < count; done++) {
    if (signal.aborted) throw new WorkbenchError("cancelled", "The calibration was stopped.");
    yield sampler.next(Math.min(size, samples - done * size));
    progress(done + 1, count, "batches read");
  }
}

/** The number of sequences that are read. */
export function countSamples({ samples }: Calibration, { sequences }: Split): number {
  return Math.min(samples, sequences);
}

/** Programs by the rows of a batch: one for full batches, and one for a smaller last batch. */
export class ProgramsByRows implements AsyncDisposable {
  readonly #programs = new Map<number, Program>();

  constructor(
    private readonly engine: Engine,
    private readonly build: (batch: Batch) => Graph,
  ) {}

  async get(batch: Batch): Promise<Program> {
    const program = this.#programs.get(batch.rows) ?? (await this.engine.compile(this.build(batch)));
    this.#programs.set(batch.rows, program);
    return program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs.values()) await program[Symbol.asyncDispose]();
  }
}
