/** The reference's log-probabilities of the answers of preference pairs: computed once per answer, then kept. */
import { createHash } from "node:crypto";
import type { HostTensors } from "../checkpoints/safetensors";
import type { Batch } from "../data/split";
import type { CompileOptions, Engine, Program, Tensors } from "../engine/engine";
import { neg } from "../graph/ops/elementwise";
import { reshape } from "../graph/ops/movement";
import { sum } from "../graph/ops/reduction";
import { disposeAll, pickTensors } from "./evaluateLoss";
import { feedBatch, uploadAll } from "./feeds";
import type { MemorySavings } from "./memorySavings";
import { referenceName } from "./preference";
import type { Trainee } from "./trainee";
import { type BatchShape, buildLoss } from "./trainStep";

/** A frozen model that a preference loss compares with. */
export interface Reference {
  readonly trainee: Trainee;
  readonly tensors: HostTensors;
}

export class ReferenceLogProbs implements AsyncDisposable {
  /** By what the model reads of a row, and its labels. */
  readonly #kept = new Map<string, number>();
  /** Number of batches that the reference has read. */
  read = 0;

  private constructor(
    private readonly engine: Engine,
    private readonly program: Program,
    private readonly weights: Tensors,
  ) {}

  static async open(
    engine: Engine,
    { trainee, tensors }: Reference,
    batch: BatchShape,
    savings: MemorySavings,
    options: CompileOptions = {},
  ): Promise<ReferenceLogProbs> {
    const { perToken } = buildLoss(trainee, batch, savings, false);
    const grid = reshape(perToken, { shape: [batch.rows, batch.length] });
    const logProbs = neg(sum(grid, { axes: [1], keepDims: false }));
    const program = await engine.compile({ outputs: { log_probs: logProbs } }, options);
    return new ReferenceLogProbs(engine, program, uploadAll(engine, tensors));
  }

  /** The additional input of a step for this batch. */
  async feeds(batch: Batch): Promise<Tensors> {
    const names = Array.from({ length: batch.rows }, (_, row) => hashRow(batch, row));
    if (names.some((name) => !this.#kept.has(name))) await this.#compute(batch, names);
    const logProbs = Float32Array.from(names, (name) => this.#kept.get(name)!);
    const type = { dtype: "float32", shape: [batch.rows / 2, 2] } as const;
    return { [referenceName]: this.engine.upload(type, logProbs) };
  }

  async #compute(batch: Batch, names: readonly string[]): Promise<void> {
    const feeds = feedBatch(this.engine, batch);
    const outputs = await this.program.run(pickTensors(this.program.inputs, { ...this.weights, ...feeds }));
    const logProbs = (await outputs["log_probs"]!.read()) as Float32Array;
    names.forEach((name, row) => this.#kept.has(name) || this.#kept.set(name, logProbs[row]!));
    this.read++;
    disposeAll(feeds);
    disposeAll(outputs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    disposeAll(this.weights);
    await this.program[Symbol.asyncDispose]();
  }
}

function hashRow({ tokens, labels, segments, length }: Batch, row: number): string {
  const hash = createHash("sha256");
  for (const each of [tokens, labels, segments]) {
    const part = each?.subarray(row * length, (row + 1) * length);
    if (part !== undefined) hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  }
  return hash.digest("base64");
}
