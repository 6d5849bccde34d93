/**
 * A cache with fewer slots than the text has tokens. The key-value heads of a layer are in groups, usually a single one; a group
 * has a table of slots for each text and head. A step overwrites the slot that its policy needs least. Keys are rotated before
 * they are stored, so their order does not matter.
 */
import type { QuantizedCache } from "../../schema/inference";
import { maskedScore } from "../graph/composites/attention";
import { int, iota } from "../graph/functions";
import { constant, scalar, type TensorType, type Value } from "../graph/op";
import { add, cast, equal, greater, less, neg, sub, where } from "../graph/ops/elementwise";
import { put, replaceRows, select } from "../graph/ops/indexing";
import { concat, reshape } from "../graph/ops/movement";
import { expand, max, overLastAxis } from "../graph/ops/reduction";
import { attend } from "../models/attend";
import type { AttentionCall, Cache, Dimensions } from "../models/family";
import { biasMean, type Dropped, foldDropped, keepMean, meanSlot } from "./droppedMean";
import { observe } from "./observe";
import type { AnyCachePolicy, HeadLists, Protected } from "./policy";
import { listQuantizedTables, writeQuantized } from "./quantizedTable";

/** The table of some key-value heads of a layer. */
export interface HeadTable {
  /** Numbers of the heads, in ascending order. */
  readonly heads: readonly number[];
  /**
   * Slots of each head. If tokens are dropped, one more than the budget, the slot that the next token overwrites, and another
   * one for the mean of the dropped tokens if the policy has one.
   */
  readonly slots: number;
  readonly protect: Protected;
  /** Whether the last slot has the mean of the dropped tokens. */
  readonly hasMean: boolean;
}

/** The tables of one layer, which together have all of its heads. */
export interface LayerTables {
  readonly groups: readonly HeadTable[];
}

export interface CompactSizes {
  readonly batch: number;
  /** Number of positions of a text. */
  readonly positions: number;
  readonly layers: readonly LayerTables[];
}

/** A policy with its options. */
export interface ChosenPolicy {
  readonly policy: AnyCachePolicy;
  readonly options: unknown;
  /** The key-value heads of each layer that keep all tokens, for a policy that has such heads. */
  readonly heads?: HeadLists | undefined;
  /** The form of keys and values; float32 when left out. Only for policies that do not overwrite tokens. */
  readonly store?: QuantizedCache | undefined;
}

/** Whether generated tokens have scores: only if some of them are dropped. */
export function hasScores({ policy }: ChosenPolicy): boolean {
  return policy.weigh !== undefined && policy.keepsGenerated !== true;
}

/** What the names of a group's tables start with. */
export const nameGroup = (layer: number, group: number): string =>
  group === 0 ? `${layer}` : `${layer}.${group}`;

/**
 * The tables of a layer by name, those of its first group as `0.key`, of the second as `0.1.key`. With rows = batch · heads of
 * the group: `key` and `value` [rows · slots, headDim], or those of `listQuantizedTables`; `position` int32 [rows, slots], -1
 * for an empty slot and -2 for the mean of the dropped tokens; `score` [rows, slots] if the policy has scores; `dropped`
 * [rows, 1], the number of tokens in the mean.
 */
export function listLayerTables(
  chosen: ChosenPolicy,
  { headDim }: Dimensions,
  { batch, layers }: CompactSizes,
  layer: number,
): Map<string, TensorType> {
  const float = (shape: readonly number[]): TensorType => ({ dtype: "float32", shape });
  const types = new Map<string, TensorType>();
  for (const [group, { heads, slots, hasMean }] of layers[layer]!.groups.entries()) {
    const name = nameGroup(layer, group);
    const rows = batch * heads.length;
    if (chosen.store === undefined)
      for (const kind of ["key", "value"]) types.set(`${name}.${kind}`, float([rows * slots, headDim]));
    else
      for (const [kind, type] of listQuantizedTables({ rows, slots, headDim, store: chosen.store }))
        types.set(`${name}.${kind}`, type);
    types.set(`${name}.position`, { dtype: "int32", shape: [rows, slots] });
    if (hasScores(chosen)) types.set(`${name}.score`, float([rows, slots]));
    if (hasMean) types.set(`${name}.dropped`, float([rows, 1]));
  }
  return types;
}

/** What a step of generation is fed besides the tables. */
export interface StepInputs {
  /** int32 [batch, 1] */
  readonly positions: Value;
  /** int32 [batch]: tokens of each prompt. */
  readonly lengths: Value;
  /** int32 [batch]: the seed of each text. */
  readonly seeds: Value;
}

/** The tokens of a step in one group, with rows = batch · heads of the group. */
interface NewTokens {
  readonly rows: number;
  readonly slots: number;
  /** int32 [rows] */
  readonly target: Value;
  /** [rows, headDim] */
  readonly news: { readonly key: Value; readonly value: Value };
  readonly dropped: Dropped | undefined;
}

/** Priorities beyond those of any score. */
const never = 1e30;

export class CompactCache implements Cache {
  readonly slots: number;
  readonly isCompact = true;
  /** The updated tables by name, filled in while the forward pass is built. */
  readonly next = new Map<string, Value>();

  constructor(
    private readonly chosen: ChosenPolicy,
    private readonly dimensions: Dimensions,
    private readonly sizes: CompactSizes,
    private readonly inputs: StepInputs,
    private readonly past: (name: string) => Value,
  ) {
    this.slots = sizes.positions;
  }

  attend(layer: number, call: AttentionCall): Value {
    const { groups } = this.sizes.layers[layer]!;
    if (groups.length === 1) return this.#attendGroup(layer, 0, call);
    const { heads, kvHeads } = this.dimensions;
    const share = heads / kvHeads;
    const queriesOf = (each: HeadTable) =>
      each.heads.flatMap((head) => Array.from({ length: share }, (_, i) => head * share + i));
    const outputs = groups.map((each, group) =>
      this.#attendGroup(layer, group, {
        ...call,
        queries: takeHeads(call.queries, queriesOf(each)),
        keys: takeHeads(call.keys, each.heads),
        values: takeHeads(call.values, each.heads),
      }),
    );
    const order = groups.flatMap(queriesOf);
    return takeHeads(
      concat(...outputs, { axis: 1 }),
      order.map((_, head) => order.indexOf(head)),
    );
  }

  #attendGroup(layer: number, group: number, call: AttentionCall): Value {
    const { batch } = this.sizes;
    const table = this.sizes.layers[layer]!.groups[group]!;
    const { slots, hasMean } = table;
    const name = nameGroup(layer, group);
    const rows = batch * table.heads.length;
    const now = this.#perRow(reshape(this.inputs.positions, { shape: [batch] }), table); // [rows, 1]
    const target = this.#findTarget(name, table, now); // [rows]
    const position = put(this.past(`${name}.position`), target, reshape(now, { shape: [rows] }));
    this.next.set(`${name}.position`, position);

    const dropped = hasMean
      ? foldDropped(this.past(`${name}.dropped`), this.past(`${name}.position`), target)
      : undefined;
    if (dropped !== undefined) this.next.set(`${name}.dropped`, dropped.count);
    const flat = (news: Value) => reshape(news, { shape: [rows, this.dimensions.headDim] });
    const news = { key: flat(call.keys), value: flat(call.values) };
    const written = this.#write(name, { rows, slots, target, news, dropped });
    const shape = [batch, table.heads.length, slots, this.dimensions.headDim];
    const keys = reshape(written.keys, { shape });
    const values = reshape(written.values, { shape });

    const open = where(less(position, int(0)), scalar(maskedScore), scalar(0));
    const bias = dropped === undefined ? open : biasMean(open, position, dropped);
    const full: AttentionCall = { ...call, keys, values, causal: false, bias: this.#perHead(bias, table) };
    if (hasScores(this.chosen)) {
      const { policy, options } = this.chosen;
      const { positions, lengths, seeds } = this.inputs;
      const generated = add(sub(positions, reshape(lengths, { shape: [batch, 1] })), int(1));
      const weighed = observe(policy, options, layer, full, {
        positions,
        seeds,
        generated: reshape(generated, { shape: [batch, 1, 1, 1] }),
        own: this.#perHead(equal(position, now), table),
      });
      const cleared = put(this.past(`${name}.score`), target, constant(new Float32Array(rows), [rows]));
      this.next.set(`${name}.score`, add(cleared, weighed));
    }
    return attend(full);
  }

  /** Writes the new keys and values to their slots; returns those of all slots, [rows · slots, headDim]. */
  #write(name: string, { rows, slots, target, news, dropped }: NewTokens): { keys: Value; values: Value } {
    const { store } = this.chosen;
    const past = (kind: string) => this.past(`${name}.${kind}`);
    if (store !== undefined) {
      const { headDim } = this.dimensions;
      const { next, keys, values } = writeQuantized(past, target, news, { rows, slots, headDim, store });
      for (const [kind, value] of next) this.next.set(`${name}.${kind}`, value);
      return { keys, values };
    }
    const starts = Int32Array.from({ length: rows }, (_, row) => row * slots);
    const at = add(target, constant(starts, [rows]));
    const write = (kind: "key" | "value") => {
      const next =
        dropped === undefined
          ? replaceRows(past(kind), at, news[kind])
          : keepMean(past(kind), { at, slots, news: news[kind], dropped });
      this.next.set(`${name}.${kind}`, next);
      return next;
    };
    return { keys: write("key"), values: write("value") };
  }

  /** The slot that the new token takes: an empty one, or else the one with the lowest priority. int32 [rows] */
  #findTarget(name: string, { slots, protect, hasMean }: HeadTable, now: Value): Value {
    const position = this.past(`${name}.position`);
    const [rows] = position.type.shape as [number];
    const score = hasScores(this.chosen) ? this.past(`${name}.score`) : cast(position, { to: "float32" });
    const isRecent = greater(position, sub(now, int(protect.recent + 1)));
    const kept = where(
      less(position, int(protect.sinks)),
      scalar(never),
      where(isRecent, scalar(never), score),
    );
    const filled = where(less(position, int(0)), scalar(-never), kept);
    const priority = hasMean ? where(equal(position, int(meanSlot)), scalar(never), filled) : filled;
    const lowest = neg(max(neg(priority), overLastAxis(priority)));
    const numbers = cast(iota(slots), { to: "float32" });
    const first = where(equal(priority, lowest), neg(numbers), scalar(-slots));
    const index = neg(max(first, overLastAxis(first)));
    return reshape(cast(index, { to: "int32" }), { shape: [rows] });
  }

  /** [batch] → [batch · heads of the group, 1] */
  #perRow(x: Value, { heads: { length: count } }: HeadTable): Value {
    const { batch } = this.sizes;
    const each = expand(reshape(x, { shape: [batch, 1] }), { shape: [batch, count] });
    return reshape(each, { shape: [batch * count, 1] });
  }

  /** [batch · heads of the group, slots] → [batch, query heads, 1, slots], for the queries of each head. */
  #perHead(x: Value, { heads: { length: count } }: HeadTable): Value {
    const { batch } = this.sizes;
    const { kvHeads, heads } = this.dimensions;
    const share = heads / kvHeads;
    const slots = x.type.shape[1]!;
    const each = reshape(x, { shape: [batch, count, 1, slots] });
    return reshape(expand(each, { shape: [batch, count, share, slots] }), {
      shape: [batch, count * share, 1, slots],
    });
  }
}

/** Some heads of [batch, heads, rows, headDim], in this order. */
function takeHeads(x: Value, heads: readonly number[]): Value {
  const [batch, count, rows, width] = x.type.shape as [number, number, number, number];
  const order = Array.from({ length: batch }, (_, text) => heads.map((head) => text * count + head)).flat();
  const flat = reshape(x, { shape: [batch * count, rows * width] });
  return reshape(select(flat, { rows: order }), { shape: [batch, heads.length, rows, width] });
}
