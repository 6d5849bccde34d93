/**
 * Keys and values of all tokens so far, so that the next token costs one row instead of the whole text. Each layer keeps
 * them in a table with a slot for each position of each text; a run writes the slots of its own tokens and reads all.
 * What stands in slots after a token is never attended to, so texts of unequal length need no mask: their padding is
 * overwritten before anybody reads it.
 */
import { constant, type TensorType, type Value } from "../graph/op";
import { add } from "../graph/ops/elementwise";
import { replaceRows } from "../graph/ops/indexing";
import { reshape } from "../graph/ops/movement";
import type { Cache, Dimensions } from "./family";

export interface CacheSizes {
  readonly batch: number;
  /** Positions that a text can have. */
  readonly slots: number;
}

/** Tables of a model by name: `0.key`, `0.value`, `1.key`, … */
export function cacheNames({ layers }: Dimensions): string[] {
  return Array.from({ length: layers }, (_, layer) => [`${layer}.key`, `${layer}.value`]).flat();
}

/** [batch · kvHeads · slots, headDim]: flat, so that a run may write its rows where the table lies. */
export function cacheType({ kvHeads, headDim }: Dimensions, { batch, slots }: CacheSizes): TensorType {
  return { dtype: "float32", shape: [batch * kvHeads * slots, headDim] };
}

export class KeyValueCache implements Cache {
  /** The tables with the new tokens in them, by name, once the forward pass has been built. */
  readonly next = new Map<string, Value>();
  readonly slots: number;
  readonly #rows: Value;

  /** `positions` are int32 [batch, time], and no two of a text are equal. */
  constructor(
    private readonly dimensions: Dimensions,
    { batch, slots }: CacheSizes,
    positions: Value,
    private readonly past: (name: string) => Value,
  ) {
    this.slots = slots;
    const { kvHeads } = dimensions;
    const time = positions.type.shape[1]!;
    const starts = Int32Array.from({ length: batch * kvHeads }, (_, head) => head * slots);
    const rows = add(constant(starts, [batch, kvHeads, 1]), reshape(positions, { shape: [batch, 1, time] })); // [batch, kvHeads, time]
    this.#rows = reshape(rows, { shape: [batch * kvHeads * time] });
  }

  extend(layer: number, keys: Value, values: Value): readonly [Value, Value] {
    return [this.#write(`${layer}.key`, keys), this.#write(`${layer}.value`, values)];
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
