/** Caches keys and values of all tokens so far, so that the next token costs one row instead of the whole text. */
import { constant, type TensorType, type Value } from "../graph/op";
import { add } from "../graph/ops/elementwise";
import { replaceRows } from "../graph/ops/indexing";
import { concat, reshape } from "../graph/ops/movement";
import { attend } from "./attend";
import type { AttentionCall, Cache, Dimensions } from "./family";

export interface CacheSizes {
  readonly batch: number;
  /** Number of positions of a text. */
  readonly slots: number;
}

/** Lists the names of a model's tables: `0.key`, `0.value`, `1.key`, … */
export function listCacheNames({ layers }: Dimensions): string[] {
  return Array.from({ length: layers }, (_, layer) => [`${layer}.key`, `${layer}.value`]).flat();
}

/** [batch · kvHeads · slots, headDim]: flat, so that a run can update rows in place. */
export function getCacheType({ kvHeads, headDim }: Dimensions, { batch, slots }: CacheSizes): TensorType {
  return { dtype: "float32", shape: [batch * kvHeads * slots, headDim] };
}

/**
 * Each layer has a table with a slot for each position of each text; a run writes the slots of its own tokens and reads all of
 * them. A token never attends to later slots, so texts of unequal length need no mask: their padding is overwritten before it
 * is read.
 */
export class KeyValueCache implements Cache {
  /** The updated tables by name, filled in while the forward pass is built. */
  readonly next = new Map<string, Value>();
  readonly slots: number;
  readonly #rows: Value;

  /** `positions` is int32 [batch, time]; the positions of a text are distinct. */
  constructor(
    private readonly dimensions: Dimensions,
    { batch, slots }: CacheSizes,
    positions: Value,
    private readonly past: (name: string) => Value,
    /** Called with each layer's attention, with the keys and values of all slots. */
    private readonly onAttend?: (layer: number, call: AttentionCall) => void,
  ) {
    this.slots = slots;
    const { kvHeads } = dimensions;
    const time = positions.type.shape[1]!;
    const starts = Int32Array.from({ length: batch * kvHeads }, (_, head) => head * slots);
    const rows = add(constant(starts, [batch, kvHeads, 1]), reshape(positions, { shape: [batch, 1, time] })); // [batch, kvHeads, time]
    this.#rows = reshape(rows, { shape: [batch * kvHeads * time] });
  }

  attend(layer: number, call: AttentionCall): Value {
    const keys = this.#write(`${layer}.key`, call.keys);
    const values = this.#write(`${layer}.value`, call.values);
    const all = { ...call, keys, values };
    this.onAttend?.(layer, all);
    return attend(all);
  }

  #write(name: string, news: Value): Value {
    const { kvHeads, headDim } = this.dimensions;
    const [batch] = news.type.shape as [number];
    const updates = reshape(news, { shape: [this.#rows.type.shape[0]!, headDim] });
    const next = replaceRows(this.past(name), this.#rows, updates);
    this.next.set(name, next);
    return reshape(next, { shape: [batch, kvHeads, this.slots, headDim] });
  }
}

/** Keys and values [batch, kvHeads, slots, headDim] that grow: those of new tokens, and of padding, are appended to the past ones. */
export class GrowingCache implements Cache {
  /** The past with the new tokens by name, filled in while the forward pass is built. */
  readonly next = new Map<string, Value>();
  readonly slots: number;

  /** `kept` is int32 [batch, past and new slots], 0 in slots of padding. */
  constructor(
    readonly kept: Value,
    private readonly past: (name: string) => Value,
  ) {
    this.slots = kept.type.shape[1]!;
  }

  attend(layer: number, call: AttentionCall): Value {
    const keys = this.#append(`${layer}.key`, call.keys);
    const values = this.#append(`${layer}.value`, call.values);
    return attend({ ...call, keys, values });
  }

  #append(name: string, news: Value): Value {
    const next = concat(this.past(name), news, { axis: 2 });
    this.next.set(name, next);
    return next;
  }
}
