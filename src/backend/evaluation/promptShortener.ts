/** Moves the tokens of prompts that a policy keeps from tables of all tokens into smaller ones. */
import { choosePrompt } from "../caches/choosePrompt";
import { type ChosenPolicy, listLayerTables, nameGroup } from "../caches/compactCache";
import { listLastSlots, meanSlot } from "../caches/droppedMean";
import { type QuantizedSizes, quantizeTables } from "../caches/quantizedTable";
import type { HeadPlan, LayerPlan } from "../caches/planLayers";
import type { Engine, Program, Tensor } from "../engine/engine";
import { input, type TensorType } from "../graph/op";
import { gather, replaceRows } from "../graph/ops/indexing";
import { matmul } from "../graph/ops/matmul";
import { reshape } from "../graph/ops/movement";
import type { Dimensions } from "../models/family";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import type { ReadPrompts } from "./promptReader";

interface ShortenedSizes {
  readonly batch: number;
  readonly positions: number;
  readonly layers: readonly LayerPlan[];
}

/** Where the slots of a group get their contents from. With rows = batch · heads of the group. */
interface Moves {
  /** int32 [rows, slots]: the position of each slot. */
  readonly positions: Int32Array;
  /** int32 [rows · slots]: the row of each slot in the table of all tokens. */
  readonly from: Int32Array;
  /** [rows, slots] */
  readonly scores: Float32Array;
  /** int32 [rows]: the heads in the table of all tokens. */
  readonly heads: Int32Array;
  /** [rows, longest]: 1 / count for dropped tokens, otherwise 0. */
  readonly shares: Float32Array;
  /** [rows, 1]: how many tokens are dropped. */
  readonly dropped: Float32Array;
}

export class PromptShortener implements AsyncDisposable {
  /** By the sizes of the table that they move to. */
  readonly #programs = new Map<string, Program>();

  constructor(
    private readonly engine: Engine,
    private readonly dimensions: Dimensions,
    private readonly chosen: ChosenPolicy,
    private readonly sizes: ShortenedSizes,
  ) {}

  /** The tables of `listLayerTables` for prompts of these lengths. Disposes the tables that were read. */
  async shorten(
    read: ReadPrompts,
    lengths: readonly number[],
    seeds: readonly number[],
  ): Promise<Record<string, Tensor>> {
    const { chosen, dimensions, engine, sizes } = this;
    const tables: Record<string, Tensor> = {};
    for (const [layer, { groups }] of sizes.layers.entries()) {
      const types = listLayerTables(chosen, dimensions, sizes, layer);
      for (const [group, plan] of groups.entries()) {
        const name = nameGroup(layer, group);
        const moves = this.#choose(plan, read.scores[layer], lengths, seeds);
        const rows = this.sizes.batch * plan.heads.length;
        const fed = {
          from: engine.upload({ dtype: "int32", shape: [moves.from.length] }, moves.from),
          heads: engine.upload({ dtype: "int32", shape: [rows] }, moves.heads),
          shares: engine.upload(
            { dtype: "float32", shape: [rows, moves.shares.length / rows] },
            moves.shares,
          ),
        };
        const moved: Record<string, Tensor> = {};
        for (const kind of ["key", "value"]) {
          const table = read.tables[`${layer}.${kind}`]!;
          const program = await this.#compile(table.type, plan);
          moved[kind] = (await program.run(pickTensors(program.inputs, { table, ...fed }))).moved!;
        }
        disposeAll(fed);
        const stored = chosen.store === undefined ? moved : await this.#quantize(moved, moves, plan);
        for (const [kind, table] of Object.entries(stored)) tables[`${name}.${kind}`] = table;
        for (const [kind, data] of [
          ["position", moves.positions],
          ["score", moves.scores],
          ["dropped", moves.dropped],
        ] as const) {
          const type = types.get(`${name}.${kind}`);
          if (type !== undefined) tables[`${name}.${kind}`] = engine.upload(type, data);
        }
      }
      for (const kind of ["key", "value"]) read.tables[`${layer}.${kind}`]![Symbol.dispose]();
    }
    return tables;
  }

  #choose(
    { heads, slots, budget, protect, hasMean }: HeadPlan,
    scores: Float32Array | undefined,
    lengths: readonly number[],
    seeds: readonly number[],
  ): Moves {
    const { kvHeads } = this.dimensions;
    const longest = Math.max(...lengths);
    const rows = lengths.length * heads.length;
    const moves: Moves = {
      positions: new Int32Array(rows * slots).fill(-1),
      from: new Int32Array(rows * slots),
      scores: new Float32Array(rows * slots),
      heads: Int32Array.from(lengths.flatMap((_, text) => heads.map((head) => text * kvHeads + head))),
      shares: new Float32Array(hasMean ? rows * longest : rows),
      dropped: new Float32Array(rows),
    };
    for (const [text, length] of lengths.entries()) {
      const ofHeads = Array.from({ length: kvHeads }, (_, head) => {
        const start = (text * kvHeads + head) * longest;
        return scores?.subarray(start, start + length) ?? new Float32Array(length);
      });
      const chosen = choosePrompt(this.chosen, protect, budget, length, ofHeads, seeds[text]!);
      for (const [i, head] of heads.entries()) {
        const row = text * heads.length + i;
        const kept = chosen[head]!;
        kept.forEach((position, slot) => {
          moves.positions[row * slots + slot] = position;
          moves.from[row * slots + slot] = (text * kvHeads + head) * longest + position;
          moves.scores[row * slots + slot] = ofHeads[head]![position]!;
        });
        if (!hasMean) continue;
        moves.positions[(row + 1) * slots - 1] = meanSlot;
        const dropped = length - kept.length;
        moves.dropped[row] = dropped;
        if (dropped === 0) continue;
        const shares = moves.shares.subarray(row * longest, row * longest + length).fill(1 / dropped);
        for (const position of kept) shares[position] = 0;
      }
    }
    return moves;
  }

  /** Disposes the tables of floats. */
  async #quantize(
    { key, value }: Record<string, Tensor>,
    { positions }: Moves,
    { heads, slots }: HeadPlan,
  ): Promise<Record<string, Tensor>> {
    const { engine, chosen, dimensions } = this;
    const store = chosen.store!;
    const rows = this.sizes.batch * heads.length;
    const sizes = { rows, slots, headDim: dimensions.headDim, store };
    let program = this.#programs.get(`quantize ${rows} ${slots}`);
    if (program === undefined) {
      program = await engine.compile(buildQuantize(key!.type, sizes));
      this.#programs.set(`quantize ${rows} ${slots}`, program);
    }
    const fed = {
      key: key!,
      value: value!,
      position: engine.upload({ dtype: "int32", shape: [rows, slots] }, positions.slice()),
      open: engine.upload(
        { dtype: "int32", shape: [rows * store.group_size] },
        listOpenRows(positions, sizes),
      ),
    };
    const tables = await program.run(fed);
    disposeAll(fed);
    return tables;
  }

  async #compile(table: TensorType, { heads, slots, hasMean }: HeadPlan): Promise<Program> {
    const rows = this.sizes.batch * heads.length;
    const key = `${rows} ${slots} ${hasMean}`;
    let program = this.#programs.get(key);
    if (program === undefined) {
      const tokens = table.shape[0]! / (this.sizes.batch * this.dimensions.kvHeads);
      program = await this.engine.compile(buildMove(table, { rows, slots, tokens, hasMean }));
      this.#programs.set(key, program);
    }
    return program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs.values()) await program[Symbol.asyncDispose]();
  }
}

/** Selects rows of a table of keys or values; the last slot of each row of the result gets the mean of dropped ones. */
function buildMove(
  type: TensorType,
  sizes: {
    readonly rows: number;
    readonly slots: number;
    readonly tokens: number;
    readonly hasMean: boolean;
  },
) {
  const { rows, slots, tokens, hasMean } = sizes;
  const [, width] = type.shape as [number, number];
  const table = input("table", type.shape);
  const moved = gather(table, input("from", [rows * slots], "int32"));
  if (!hasMean) return { outputs: { moved } };
  const byHead = reshape(table, { shape: [type.shape[0]! / tokens, tokens, width] });
  const own = gather(byHead, input("heads", [rows], "int32"));
  const shares = reshape(input("shares", [rows, tokens]), { shape: [rows, 1, tokens] });
  const mean = reshape(matmul(shares, own), { shape: [rows, width] });
  return { outputs: { moved: replaceRows(moved, listLastSlots(rows, slots), mean) } };
}

/** The rows of the group that the next token falls into; of the last group, if a table is full. int32 [rows · group size] */
function listOpenRows(positions: Int32Array, { rows, slots, store }: QuantizedSizes): Int32Array {
  const { group_size: size } = store;
  return Int32Array.from({ length: rows * size }, (_, i) => {
    const row = Math.floor(i / size);
    const empty = positions.subarray(row * slots, (row + 1) * slots).indexOf(-1);
    const group = empty < 0 ? slots / size - 1 : Math.floor(empty / size);
    return row * slots + group * size + (i % size);
  });
}

function buildQuantize(type: TensorType, sizes: QuantizedSizes) {
  const { rows, slots, store } = sizes;
  const [keys, values] = [input("key", type.shape), input("value", type.shape)];
  const position = input("position", [rows, slots], "int32");
  const open = input("open", [rows * store.group_size], "int32");
  return {
    outputs: {
      ...Object.fromEntries(quantizeTables({ keys, values, position }, sizes)),
      "key.open": gather(keys, open),
      "value.open": gather(values, open),
    },
  };
}
