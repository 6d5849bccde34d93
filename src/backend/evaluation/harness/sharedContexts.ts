/**
 * Scores of the answers of questions, whose contexts are read once: their keys and values are kept, and only the tokens of
 * the answers are computed for each answer.
 */
import { WorkbenchError } from "../../../protocol/errors";
import type { Program, Tensor, Tensors } from "../../engine/engine";
import { input, scalar, sizeOf, type Value } from "../../graph/op";
import { reshape } from "../../graph/ops/movement";
import { expand } from "../../graph/ops/reduction";
import { buildInferenceForward } from "../../models/inference";
import { type CacheSizes, getCacheType, KeyValueCache, listCacheNames } from "../../models/keyValueCache";
import type { Dimensions } from "../../models/family";
import { dimensionsOf } from "../../models/model";
import { disposeAll, pickTensors } from "../../training/evaluateLoss";
import type { EvaluationLab, Subject } from "../metric";
import {
  collectScores,
  createScores,
  listPlaces,
  type Place,
  roundLength,
  roundPlaces,
  type Row,
  type RowScores,
  type TokenScore,
} from "./tokenScores";

/** Rows that begin with the same `shared` tokens. */
export type Group = readonly Row[];

/** Keys and values of all rows of a batch; a single group may exceed it. */
const maxCacheBytes = 2 ** 30;

interface ProgramSize {
  /** Contexts, and answers of each. */
  readonly groups: number;
  readonly answers: number;
  readonly slots: number;
  /** Tokens that are read at once. */
  readonly time: number;
  /** Tokens that are scored at once. */
  readonly rows: number;
}

export class SharedContexts implements AsyncDisposable {
  readonly #programs = new Map<string, Program>();
  readonly #dimensions: Dimensions;
  #slots = 0;

  constructor(
    private readonly subject: Subject,
    private readonly weights: Tensors,
    private readonly maxLength: number,
    private readonly lab: EvaluationLab,
  ) {
    this.#dimensions = dimensionsOf(subject.shape);
  }

  /** Number of groups to score together, of up to so many rows, the longest of which has `length` tokens. */
  countTogether(answers: number, length: number, batchSize: number): number {
    const slots = roundLength(length, this.maxLength);
    const type = getCacheType(this.#dimensions, { batch: answers, slots });
    const bytes = 4 * listCacheNames(this.#dimensions).length * sizeOf(type.shape);
    return Math.max(1, Math.min(Math.floor(batchSize / answers), Math.floor(maxCacheBytes / bytes)));
  }

  /** The scores of each row of each group. `count` is at least the number of groups, the same for most batches. */
  async score(batch: readonly Group[], count: number): Promise<RowScores[][]> {
    const rows = batch.flat();
    const answers = batch.reduce((most, { length }) => Math.max(most, length), 0);
    const slots = roundLength(
      rows.reduce((most, { ids }) => Math.max(most, ids.length), 0),
      this.maxLength,
    );
    const scores = rows.map(() => new Map<string, TokenScore>());
    const owners = batch.flatMap((group, i) => group.map(() => i));
    const places = rows.flatMap(listPlaces);
    const inContext = ({ row, position }: Place) => position < rows[row]!.shared;
    const tables = await this.#readContexts(batch, places.filter(inContext), owners, scores, {
      groups: count,
      answers,
      slots,
    });
    // A row of the batch for each answer of each group; those that a group lacks stay empty.
    const firstRows = batch.map((_, i) => owners.indexOf(i));
    const target = rows.map((_, row) => owners[row]! * answers + row - firstRows[owners[row]!]!);
    await this.#readAnswers(
      rows,
      places.filter((place) => !inContext(place)),
      target,
      scores,
      tables,
      {
        groups: count,
        answers,
        slots,
      },
    );
    disposeAll(tables);
    let at = 0;
    return batch.map(({ length }) => scores.slice(at, (at += length)));
  }

  /** Keys and values of the contexts, after the scores of the first tokens of the answers. */
  async #readContexts(
    batch: readonly Group[],
    places: readonly Place[],
    owners: readonly number[],
    scores: readonly Map<string, TokenScore>[],
    sizes: Pick<ProgramSize, "groups" | "answers" | "slots">,
  ): Promise<Tensors> {
    const contexts = batch.map((group) => group[0]!.ids.subarray(0, group[0]!.shared));
    const longest = contexts.reduce((most, { length }) => Math.max(most, length), 0);
    const time = Math.min(sizes.slots, roundLength(longest, this.maxLength));
    const tokens = new Int32Array(sizes.groups * time);
    contexts.forEach((ids, i) => tokens.set(ids, i * time));
    const positions = Int32Array.from(tokens, (_, i) => i % time);
    const rows = roundPlaces(places.length, this.#dimensions.vocabulary);
    const program = await this.#open("contexts", { ...sizes, answers: 1, time, rows });
    let tables: Tensors = {};
    for (let first = 0; first === 0 || first < places.length; first += rows) {
      disposeAll(tables);
      const some = places.slice(first, first + rows);
      const at = some.map(({ row, position }) => owners[row]! * time + position);
      const { answer, ...present } = await this.#run(
        program,
        { tokens, positions },
        [sizes.groups, time],
        some,
        at,
        rows,
      );
      collectScores(some, (await answer!.read()) as Float32Array, scores);
      answer![Symbol.dispose]();
      tables = Object.fromEntries(
        Object.entries(present).map(([name, table]) => [name.replace("present.", "past."), table]),
      );
    }
    return tables;
  }

  /** Reads the last tokens of each row, among them all of its answer; those of the context are computed again. */
  async #readAnswers(
    rows: readonly Row[],
    places: readonly Place[],
    target: readonly number[],
    scores: readonly Map<string, TokenScore>[],
    tables: Tensors,
    sizes: Pick<ProgramSize, "groups" | "answers" | "slots">,
  ): Promise<void> {
    if (places.length === 0) return;
    const longest = rows.reduce((most, { ids, shared }) => Math.max(most, ids.length - shared), 0);
    const time = Math.min(sizes.slots, roundLength(longest, this.maxLength));
    const batch = sizes.groups * sizes.answers;
    const tokens = new Int32Array(batch * time);
    const positions = Int32Array.from(tokens, (_, i) => i % time);
    const starts = rows.map(({ ids }) => Math.max(0, ids.length - time));
    rows.forEach(({ ids }, row) => {
      const at = target[row]! * time;
      tokens.set(ids.subarray(starts[row]), at);
      for (let i = 0; i < time; i++) positions[at + i] = starts[row]! + i;
    });
    const count = roundPlaces(places.length, this.#dimensions.vocabulary);
    const program = await this.#open("answers", { ...sizes, time, rows: count });
    for (let first = 0; first < places.length; first += count) {
      const some = places.slice(first, first + count);
      const at = some.map(({ row, position }) => target[row]! * time + position - starts[row]!);
      const { answer } = await this.#run(
        program,
        { tokens, positions },
        [batch, time],
        some,
        at,
        count,
        tables,
      );
      collectScores(some, (await answer!.read()) as Float32Array, scores);
      answer![Symbol.dispose]();
    }
  }

  async #run(
    program: Program,
    grids: Readonly<Record<"tokens" | "positions", Int32Array>>,
    shape: readonly number[],
    places: readonly Place[],
    at: readonly number[],
    rows: number,
    tables: Tensors = {},
  ): Promise<Tensors> {
    if (this.lab.signal.aborted) throw new WorkbenchError("cancelled", "The evaluation was stopped.");
    const upload = (data: Int32Array, size: readonly number[]): Tensor =>
      this.lab.engine.upload({ dtype: "int32", shape: size }, data);
    const fill = (numbers: readonly number[]) => Int32Array.from({ length: rows }, (_, i) => numbers[i] ?? 0);
    const feeds = {
      // Copied, because the engine keeps them.
      tokens: upload(grids.tokens.slice(), shape),
      positions: upload(grids.positions.slice(), shape),
      rows: upload(fill(at), [rows]),
      labels: upload(fill(places.map(({ label }) => label)), [rows]),
    };
    const results = await program.run(pickTensors(program.inputs, { ...this.weights, ...feeds, ...tables }));
    disposeAll(feeds);
    return results;
  }

  async #open(kind: "contexts" | "answers", size: ProgramSize): Promise<Program> {
    if (size.slots !== this.#slots) await this[Symbol.asyncDispose]();
    this.#slots = size.slots;
    const key = `${kind} ${Object.values(size).join(" ")}`;
    let program = this.#programs.get(key);
    if (program === undefined) {
      program = await this.lab.engine.compile({ outputs: this.#build(kind, size) });
      this.#programs.set(key, program);
    }
    return program;
  }

  /** Contexts begin with empty tables and return them; answers begin with those of their contexts. */
  #build(kind: "contexts" | "answers", size: ProgramSize): Readonly<Record<string, Value>> {
    const { groups, answers, slots, time, rows } = size;
    const batch = groups * answers;
    const int = (name: string, shape: readonly number[]) => input(name, shape, "int32");
    const positions = int("positions", [batch, time]);
    const sizes: CacheSizes = { batch, slots };
    const own = getCacheType(this.#dimensions, sizes).shape;
    const context = getCacheType(this.#dimensions, { batch: groups, slots }).shape;
    const width = sizeOf(context) / groups;
    const past = (name: string): Value => {
      if (kind === "contexts") return expand(reshape(scalar(0), { shape: [1, 1] }), { shape: own });
      const table = reshape(input(`past.${name}`, context), { shape: [groups, 1, width] });
      return reshape(expand(table, { shape: [groups, answers, width] }), { shape: own });
    };
    const cache = new KeyValueCache(this.#dimensions, sizes, positions, past);
    const logits = buildInferenceForward(
      this.subject.shape,
      { tokens: int("tokens", [batch, time]), positions, cache },
      { rows: int("rows", [rows]) },
    );
    const present =
      kind === "contexts" ? [...cache.next].map(([name, next]) => [`present.${name}`, next] as const) : [];
    return { answer: createScores(logits), ...Object.fromEntries(present) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs.values()) await program[Symbol.asyncDispose]();
    this.#programs.clear();
  }
}
