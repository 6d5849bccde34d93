/** Moves the tokens of prompts that a policy keeps from tables of all tokens into smaller ones. */
import { choosePrompt } from "../caches/choosePrompt";
import { type ChosenPolicy, listLayerTables, nameGroup } from "../caches/compactCache";
import { listLastSlots, meanSlot } from "../caches/droppedMean";
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
        for (const kind of ["key", "value"]) {
          const table = read.tables[`${layer}.${kind}`]!;
          const program = await this.#compile(table.type, plan);
          const { moved } = await program.run(pickTensors(program.inputs, { table, ...fed }));
          tables[`${name}.${kind}`] = moved!;
        }
        disposeAll(fed);
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
