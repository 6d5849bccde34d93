/**
 * Cache of a teacher's most likely next tokens, computed once per sequence, so the teacher runs only in the first epoch.
 */
import { createHash } from "node:crypto";
import { LruCache } from "../../protocol/lruCache";
import type { Batch } from "../data/split";
import type { Engine, Program, Tensor, Tensors } from "../engine/engine";
import { input, type Value } from "../graph/op";
import { keptSharesName, keptTokensName } from "./distillation";
import { disposeAll, only } from "./evaluateLoss";
import { feedBatch, uploadAll } from "./feeds";
import type { HostTensors } from "../checkpoints/safetensors";
import type { Teacher } from "./trainee";
import type { BatchShape } from "./trainStep";

/** Targets of one sequence, each [length, k]. */
interface Kept {
  readonly tokens: Int32Array;
  readonly shares: Float32Array;
}

/** Maximum size of the cache, in bytes. */
const byteLimit = 2 ** 30;

export class KeptTargets implements AsyncDisposable {
  readonly #kept: LruCache<Kept>;
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
    this.#kept = new LruCache({
      limit: Math.floor(byteLimit / (8 * batch.length * teacher.topK!)),
      isPinned: (name) => this.#current.has(name),
    });
  }

  static async open(
    engine: Engine,
    teacher: Teacher,
    tensors: HostTensors,
    batch: BatchShape,
  ): Promise<KeptTargets> {
    const program = await engine.compile({ outputs: { logits: logitsOf(teacher, batch) } });
    return new KeptTargets(engine, teacher, batch, program, uploadAll(engine, tensors));
  }

  /** The additional inputs of a step for this batch. */
  async feeds(batch: Batch): Promise<Record<string, Tensor>> {
    const { rows, length } = batch;
    const k = this.teacher.topK!;
    const names = Array.from({ length: rows }, (_, row) => nameOf(batch, row));
    this.#current = new Set(names);
    if (names.some((name) => !this.#kept.has(name))) await this.#ask(batch, names);
    const tokens = new Int32Array(rows * length * k);
    const shares = new Float32Array(rows * length * k);
    names.forEach((name, row) => {
      const kept = this.#kept.get(name)!;
      tokens.set(kept.tokens, row * length * k);
      shares.set(kept.shares, row * length * k);
    });
    const shape = [rows, length, k];
    return {
      [keptTokensName]: this.engine.upload({ dtype: "int32", shape }, tokens),
      [keptSharesName]: this.engine.upload({ dtype: "float32", shape }, shares),
    };
  }

  async #ask(batch: Batch, names: readonly string[]): Promise<void> {
    const { length } = this.batch;
    const feeds = feedBatch(this.engine, batch);
    const results = await this.program.run(only(this.program.inputs, { ...this.weights, ...feeds }));
    const logits = (await results["logits"]!.read()) as Float32Array;
    const vocabulary = logits.length / (names.length * length);
    names.forEach((name, row) => {
      if (this.#kept.has(name)) return;
      this.#kept.set(name, this.#mostLikely(logits, row * length * vocabulary, vocabulary));
      this.read++;
    });
    disposeAll(feeds);
    disposeAll(results);
  }

  #mostLikely(logits: Float32Array, from: number, vocabulary: number): Kept {
    const { length } = this.batch;
    const { topK, temperature } = this.teacher;
    const k = topK!;
    const tokens = new Int32Array(length * k);
    const shares = new Float32Array(length * k);
    for (let at = 0; at < length; at++) {
      const own = logits.subarray(from + at * vocabulary, from + (at + 1) * vocabulary);
      const order = largest(own, k);
      const top = own[order[0]!]!;
      const weights = order.map((token) => Math.exp((own[token]! - top) / temperature));
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
function logitsOf({ trainee }: Teacher, { rows, length, segments, positions, types }: BatchShape): Value {
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
function nameOf({ tokens, segments, positions, types, length }: Batch, row: number): string {
  const hash = createHash("sha256");
  for (const each of [tokens, segments, positions, types]) {
    const own = each?.subarray(row * length, (row + 1) * length);
    if (own !== undefined) hash.update(new Uint8Array(own.buffer, own.byteOffset, own.byteLength));
  }
  return hash.digest("base64");
}

/** Indices of the k largest values in descending order; the lower index of equal values is first. */
export function largest(numbers: ArrayLike<number>, k: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < numbers.length; i++) {
    if (found.length === k && numbers[i]! <= numbers[found[k - 1]!]!) continue;
    let place = found.length;
    while (place > 0 && numbers[found[place - 1]!]! < numbers[i]!) place--;
    found.splice(place, 0, i);
    if (found.length > k) found.pop();
  }
  return found;
}
