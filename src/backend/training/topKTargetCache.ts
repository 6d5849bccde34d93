/**
 * Cache of a teacher's most likely next tokens, computed once per sequence, so the teacher runs only in the first epoch.
 */
import { createHash } from "node:crypto";
import { LruCache } from "../../protocol/lruCache";
import type { Batch } from "../data/split";
import type { Engine, Program, Tensor, Tensors } from "../engine/engine";
import { input, type Value } from "../graph/op";
import { topKSharesName, topKTokensName } from "./distillation";
import { disposeAll, pickTensors } from "./evaluateLoss";
import { feedBatch, uploadAll } from "./feeds";
import type { HostTensors } from "../checkpoints/safetensors";
import type { Teacher } from "./trainee";
import type { BatchShape } from "./trainStep";

/** Targets of one sequence, each [length, k]. */
interface SequenceTargets {
  readonly tokens: Int32Array;
  readonly shares: Float32Array;
}

/** Maximum size of the cache, in bytes. */
const byteLimit = 2 ** 30;

export class TopKTargetCache implements AsyncDisposable {
  readonly #cache: LruCache<SequenceTargets>;
  /** The sequences of the current batch. */
  #current: ReadonlySet<string> = new Set();
  /** Number of sequences that the teacher has read. */
  read = 0;

  private constructor(
    private readonly engine: Engine,
    private readonly teacher: Teacher,
    private readonly batch: BatchShape,
    private readonly program: Program,
    private readonly weights: Tensors,
  ) {
    this.#cache = new LruCache({
      limit: Math.floor(byteLimit / (8 * batch.length * teacher.topK!)),
      isPinned: (name) => this.#current.has(name),
    });
  }

  static async open(
    engine: Engine,
    teacher: Teacher,
    tensors: HostTensors,
    batch: BatchShape,
  ): Promise<TopKTargetCache> {
    const program = await engine.compile({ outputs: { logits: buildTeacherLogits(teacher, batch) } });
    return new TopKTargetCache(engine, teacher, batch, program, uploadAll(engine, tensors));
  }

  /** The additional inputs of a step for this batch. */
  async feeds(batch: Batch): Promise<Record<string, Tensor>> {
    const { rows, length } = batch;
    const k = this.teacher.topK!;
    const names = Array.from({ length: rows }, (_, row) => hashSequence(batch, row));
    this.#current = new Set(names);
    if (names.some((name) => !this.#cache.has(name))) await this.#computeTargets(batch, names);
    const tokens = new Int32Array(rows * length * k);
    const shares = new Float32Array(rows * length * k);
    names.forEach((name, row) => {
      const targets = this.#cache.get(name)!;
      tokens.set(targets.tokens, row * length * k);
      shares.set(targets.shares, row * length * k);
    });
    const shape = [rows, length, k];
    return {
      [topKTokensName]: this.engine.upload({ dtype: "int32", shape }, tokens),
      [topKSharesName]: this.engine.upload({ dtype: "float32", shape }, shares),
    };
  }

  async #computeTargets(batch: Batch, names: readonly string[]): Promise<void> {
    const { length } = this.batch;
    const feeds = feedBatch(this.engine, batch);
    const results = await this.program.run(pickTensors(this.program.inputs, { ...this.weights, ...feeds }));
    const logits = (await results["logits"]!.read()) as Float32Array;
    const vocabulary = logits.length / (names.length * length);
    names.forEach((name, row) => {
      if (this.#cache.has(name)) return;
      this.#cache.set(name, this.#mostLikely(logits, row * length * vocabulary, vocabulary));
      this.read++;
    });
    disposeAll(feeds);
    disposeAll(results);
  }

  #mostLikely(logits: Float32Array, from: number, vocabulary: number): SequenceTargets {
    const { length } = this.batch;
    const { topK, temperature } = this.teacher;
    const k = topK!;
    const tokens = new Int32Array(length * k);
    const shares = new Float32Array(length * k);
    for (let at = 0; at < length; at++) {
      const tokenLogits = logits.subarray(from + at * vocabulary, from + (at + 1) * vocabulary);
      const order = findLargest(tokenLogits, k);
      const top = tokenLogits[order[0]!]!;
      const weights = order.map((token) => Math.exp((tokenLogits[token]! - top) / temperature));
      const total = weights.reduce((sum, each) => sum + each, 0);
      order.forEach((token, place) => {
        tokens[at * k + place] = token;
        shares[at * k + place] = weights[place]! / total;
      });
    }
    return { tokens, shares };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    disposeAll(this.weights);
    await this.program[Symbol.asyncDispose]();
  }
}

/** The teacher's logits [rows · length, vocabulary], without dropout. */
function buildTeacherLogits(
  { trainee }: Teacher,
  { rows, length, segments, positions, types }: BatchShape,
): Value {
  const values = new Map(
    trainee.parameters.map(({ name, shape, dtype }) => [name, input(name, shape, dtype)]),
  );
  const weight = (name: string) => values.get(name)!;
  const grid = (name: string) => input(name, [rows, length], "int32");
  const hidden = trainee.hidden(
    weight,
    {
      tokens: grid("tokens"),
      ...(segments ? { segments: grid("segments") } : {}),
      ...(positions ? { positions: grid("positions") } : {}),
      ...(types === true ? { types: grid("types") } : {}),
    },
    {},
  );
  return trainee.logits(weight, hidden);
}

/** Cache key of a sequence: everything that the teacher reads of it. */
function hashSequence({ tokens, segments, positions, types, length }: Batch, row: number): string {
  const hash = createHash("sha256");
  for (const each of [tokens, segments, positions, types]) {
    const rowData = each?.subarray(row * length, (row + 1) * length);
    if (rowData !== undefined)
      hash.update(new Uint8Array(rowData.buffer, rowData.byteOffset, rowData.byteLength));
  }
  return hash.digest("base64");
}

/** Indices of the k largest values in descending order; the lower index of equal values is first. */
export function findLargest(numbers: ArrayLike<number>, k: number): number[] {
  const indices: number[] = [];
  for (let i = 0; i < numbers.length; i++) {
    if (indices.length === k && numbers[i]! <= numbers[indices[k - 1]!]!) continue;
    let place = indices.length;
    while (place > 0 && numbers[indices[place - 1]!]! < numbers[i]!) place--;
    indices.splice(place, 0, i);
    if (indices.length > k) indices.pop();
  }
  return indices;
}
