/**
 * A cache with fewer slots than the text has tokens. Each layer has a table of slots for each text and key-value head; a step
 * overwrites the slot that its policy needs least. Keys are rotated before they are stored, so their order does not matter.
 */
import { maskedScore } from "../graph/composites/attention";
import { int, iota } from "../graph/functions";
import { constant, scalar, type TensorType, type Value } from "../graph/op";
import { add, cast, equal, greater, less, neg, sub, where } from "../graph/ops/elementwise";
import { put, replaceRows } from "../graph/ops/indexing";
import { reshape } from "../graph/ops/movement";
import { expand, max, overLastAxis } from "../graph/ops/reduction";
import { attend } from "../models/attend";
import type { AttentionCall, Cache, Dimensions } from "../models/family";
import { observe } from "./observe";
import type { AnyCachePolicy, Protected } from "./policy";

/** The table of one layer. */
export interface LayerTable {
  /** Slots of each head. If tokens are dropped, one more than the budget: the slot that the next token overwrites. */
  readonly slots: number;
  readonly protect: Protected;
}

export interface CompactSizes {
  readonly batch: number;
  /** Number of positions of a text. */
  readonly positions: number;
  readonly layers: readonly LayerTable[];
}

/** A policy with its options. */
export interface ChosenPolicy {
  readonly policy: AnyCachePolicy;
  readonly options: unknown;
}

/** Whether generated tokens have scores: only if some of them are dropped. */
export function hasScores({ policy }: ChosenPolicy): boolean {
  return policy.weigh !== undefined && policy.keepsGenerated !== true;
}

/**
 * The tables of a layer by name. With rows = batch · kvHeads: `0.key` and `0.value` [rows · slots, headDim], `0.position` int32
 * [rows, slots], -1 for an empty slot, and `0.score` [rows, slots] if the policy has scores.
 */
export function listLayerTables(
  chosen: ChosenPolicy,
  { kvHeads, headDim }: Dimensions,
  { batch, layers }: CompactSizes,
  layer: number,
): Map<string, TensorType> {
  const rows = batch * kvHeads;
  const { slots } = layers[layer]!;
  const rowsType: TensorType = { dtype: "float32", shape: [rows * slots, headDim] };
  return new Map<string, TensorType>([
    [`${layer}.key`, rowsType],
    [`${layer}.value`, rowsType],
    [`${layer}.position`, { dtype: "int32", shape: [rows, slots] }],
    ...(hasScores(chosen) ? ([[`${layer}.score`, { dtype: "float32", shape: [rows, slots] }]] as const) : []),
  ]);
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
    const { batch } = this.sizes;
    const { kvHeads } = this.dimensions;
    const { slots } = this.sizes.layers[layer]!;
    const rows = batch * kvHeads;
    const now = this.#perRow(reshape(this.inputs.positions, { shape: [batch] })); // [rows, 1]
    const target = this.#findTarget(layer, now); // [rows]
    const position = put(this.past(`${layer}.position`), target, reshape(now, { shape: [rows] }));
    this.next.set(`${layer}.position`, position);

    const starts = Int32Array.from({ length: rows }, (_, row) => row * slots);
    const at = add(target, constant(starts, [rows]));
    const keys = this.#write(`${layer}.key`, at, call.keys);
    const values = this.#write(`${layer}.value`, at, call.values);

    const bias = where(less(position, int(0)), scalar(maskedScore), scalar(0));
    const full: AttentionCall = { ...call, keys, values, causal: false, bias: this.#perHead(bias) };
    if (hasScores(this.chosen)) {
      const { policy, options } = this.chosen;
      const { positions, lengths, seeds } = this.inputs;
      const generated = add(sub(positions, reshape(lengths, { shape: [batch, 1] })), int(1));
      const weighed = observe(policy, options, layer, full, {
        positions,
        seeds,
        generated: reshape(generated, { shape: [batch, 1, 1, 1] }),
        own: this.#perHead(equal(position, now)),
      });
      const cleared = put(this.past(`${layer}.score`), target, constant(new Float32Array(rows), [rows]));
      this.next.set(`${layer}.score`, add(cleared, weighed));
    }
    return attend(full);
  }

  /** The slot that the new token takes: an empty one, or else the one with the lowest priority. int32 [rows] */
  #findTarget(layer: number, now: Value): Value {
    const { slots, protect } = this.sizes.layers[layer]!;
    const position = this.past(`${layer}.position`);
    const [rows] = position.type.shape as [number];
    const score = hasScores(this.chosen) ? this.past(`${layer}.score`) : cast(position, { to: "float32" });
    const isRecent = greater(position, sub(now, int(protect.recent + 1)));
    const kept = where(
      less(position, int(protect.sinks)),
      scalar(never),
      where(isRecent, scalar(never), score),
    );
    const priority = where(less(position, int(0)), scalar(-never), kept);
    const lowest = neg(max(neg(priority), overLastAxis(priority)));
    const numbers = cast(iota(slots), { to: "float32" });
    const first = where(equal(priority, lowest), neg(numbers), scalar(-slots));
    const index = neg(max(first, overLastAxis(first)));
    return reshape(cast(index, { to: "int32" }), { shape: [rows] });
  }

  #write(name: string, at: Value, news: Value): Value {
    const { headDim, kvHeads } = this.dimensions;
    const rows = this.sizes.batch * kvHeads;
    const next = replaceRows(this.past(name), at, reshape(news, { shape: [rows, headDim] }));
    this.next.set(name, next);
    const slots = next.type.shape[0]! / rows;
    return reshape(next, { shape: [this.sizes.batch, kvHeads, slots, headDim] });
  }

  /** [batch] → [batch · kvHeads, 1] */
  #perRow(x: Value): Value {
    const { batch } = this.sizes;
    const { kvHeads } = this.dimensions;
    const each = expand(reshape(x, { shape: [batch, 1] }), { shape: [batch, kvHeads] });
    return reshape(each, { shape: [batch * kvHeads, 1] });
  }

  /** [batch · kvHeads, slots] → [batch, heads, 1, slots], for the queries of each head. */
  #perHead(x: Value): Value {
    const { batch } = this.sizes;
    const { kvHeads, heads } = this.dimensions;
    const slots = x.type.shape[1]!;
    const each = reshape(x, { shape: [batch, kvHeads, 1, slots] });
    return reshape(expand(each, { shape: [batch, kvHeads, heads / kvHeads, slots] }), {
      shape: [batch, heads, 1, slots],
    });
  }
}
