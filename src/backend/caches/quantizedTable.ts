/**
 * Keys and values in 2, 4 or 8 bits: keys with a range for each channel of a group of tokens, values with a range for each group
 * of channels of a token, both asymmetric (Liu et al., KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache, ICML
 * 2024, arXiv 2402.02750, section 3.2). Slots are filled in order; the group that is being filled stays in float32, where KIVI
 * has a residual of a fixed length.
 */
import type { QuantizedCache } from "../../schema/inference";
import { int, iota } from "../graph/functions";
import { constant, scalar, type TensorType, type Value } from "../graph/op";
import {
  add,
  cast,
  div,
  equal,
  lessOrEqual,
  maximum,
  minimum,
  mul,
  neg,
  sub,
  where,
} from "../graph/ops/elementwise";
import { replaceRows } from "../graph/ops/indexing";
import { concat, reshape, slice } from "../graph/ops/movement";
import { expand, max } from "../graph/ops/reduction";
import { round } from "../graph/ops/rounding";

export interface QuantizedSizes {
  /** Texts times heads. */
  readonly rows: number;
  /** Of each row; a multiple of the group size. */
  readonly slots: number;
  readonly headDim: number;
  readonly store: QuantizedCache;
}

/** Channels that share a range in a value. */
export function countValueChannels({ headDim, store }: Pick<QuantizedSizes, "headDim" | "store">): number {
  return Math.min(store.group_size, headDim);
}

/**
 * The tables of keys and of values: `key.codes` uint8 [rows · slots, headDim · bits / 8]; `key.scale` and `key.zero`
 * [rows · groups, headDim] and `value.scale` and `value.zero` [rows · slots, groups of channels]; `key.open` and `value.open`
 * [rows · group size, headDim], the group that is being filled.
 */
export function listQuantizedTables(sizes: QuantizedSizes): Map<string, TensorType> {
  const { rows, slots, headDim, store } = sizes;
  const float = (count: number, width: number): TensorType => ({ dtype: "float32", shape: [count, width] });
  const codes: TensorType = { dtype: "uint8", shape: [rows * slots, (headDim * store.bits) / 8] };
  const open = float(rows * store.group_size, headDim);
  const keyRange = float((rows * slots) / store.group_size, headDim);
  const valueRange = float(rows * slots, headDim / countValueChannels(sizes));
  return new Map([
    ["key.codes", codes],
    ["key.scale", keyRange],
    ["key.zero", keyRange],
    ["key.open", open],
    ["value.codes", codes],
    ["value.scale", valueRange],
    ["value.zero", valueRange],
    ["value.open", open],
  ]);
}

interface Rounded {
  /** Whole numbers from 0 to 2^bits - 1. */
  readonly codes: Value;
  readonly scale: Value;
  readonly zero: Value;
}

const beyond = 1e30;

/** Rounds x to 2^bits steps between the lowest and the highest number along an axis, of those that are `valid`. */
function roundAlong(x: Value, axis: number, bits: number, valid?: Value): Rounded {
  const reduce = { axes: [axis], keepDims: true };
  const only = (other: number) => (valid === undefined ? x : where(valid, x, scalar(other)));
  const highest = max(only(-beyond), reduce);
  const lowest = neg(max(neg(only(beyond)), reduce));
  const most = 2 ** bits - 1;
  const step = div(sub(highest, lowest), scalar(most));
  // Without a range, or without a number, every code is 0.
  const scale = where(lessOrEqual(step, scalar(0)), scalar(1), step);
  const zero = where(equal(lowest, scalar(beyond)), scalar(0), lowest);
  const codes = minimum(maximum(round(div(sub(x, zero), scale)), scalar(0)), scalar(most));
  return { codes, scale, zero };
}

/** Whole numbers [n, width] → uint8 [n, width · bits / 8]; the first of a byte has the lowest bits. */
function pack(codes: Value, bits: number): Value {
  const [n, width] = codes.type.shape as [number, number];
  const count = 8 / bits;
  const byByte = reshape(codes, { shape: [n, width / count, count] });
  const parts = Array.from({ length: count }, (_, i) =>
    mul(slice(byByte, { axis: 2, start: i, end: i + 1 }), scalar(2 ** (bits * i))),
  );
  const bytes = parts.reduce((sum, part) => add(sum, part));
  return cast(cast(reshape(bytes, { shape: [n, width / count] }), { to: "int32" }), { to: "uint8" });
}

/** The inverse of `pack`, as float32. */
function unpack(bytes: Value, bits: number): Value {
  const [n, width] = bytes.type.shape as [number, number];
  const count = 8 / bits;
  if (count === 1) return cast(bytes, { to: "float32" });
  let rest = cast(bytes, { to: "int32" });
  const parts: Value[] = [];
  for (let i = 0; i < count; i++) {
    const next = div(rest, int(2 ** bits));
    parts.push(reshape(sub(rest, mul(next, int(2 ** bits))), { shape: [n, width, 1] }));
    rest = next;
  }
  return reshape(cast(concat(...parts, { axis: 2 }), { to: "float32" }), { shape: [n, width * count] });
}

/** Rounds values [n, headDim]: each group of channels of each has a range. */
function roundValues(x: Value, sizes: QuantizedSizes): Rounded {
  const [n, headDim] = x.type.shape as [number, number];
  const channels = countValueChannels(sizes);
  const groups = headDim / channels;
  const { codes, scale, zero } = roundAlong(
    reshape(x, { shape: [n, groups, channels] }),
    2,
    sizes.store.bits,
  );
  const flat = (each: Value) => reshape(each, { shape: [n, groups] });
  return { codes: reshape(codes, { shape: [n, headDim] }), scale: flat(scale), zero: flat(zero) };
}

/** Keys and values [rows · slots, headDim] that the tables have, without the group that is being filled. */
function readAll(past: (name: string) => Value, sizes: QuantizedSizes): { keys: Value; values: Value } {
  const { rows, slots, headDim, store } = sizes;
  const { group_size: size, bits } = store;
  const read = (kind: "key" | "value", shape: readonly number[], range: readonly number[]) => {
    const codes = reshape(unpack(past(`${kind}.codes`), bits), { shape });
    const spread = (name: string) => reshape(past(`${kind}.${name}`), { shape: range });
    const numbers = add(mul(codes, spread("scale")), spread("zero"));
    return reshape(numbers, { shape: [rows * slots, headDim] });
  };
  const blocks = (rows * slots) / size;
  const channels = countValueChannels(sizes);
  const groups = headDim / channels;
  return {
    keys: read("key", [blocks, size, headDim], [blocks, 1, headDim]),
    values: read("value", [rows * slots, groups, channels], [rows * slots, groups, 1]),
  };
}

export interface QuantizedWrite {
  /** The updated tables, by the names of `listQuantizedTables`. */
  readonly next: ReadonlyMap<string, Value>;
  /** All keys and values, [rows · slots, headDim]. */
  readonly keys: Value;
  readonly values: Value;
}

/** Writes a key and a value [rows, headDim] of each row to the slot `target`, int32 [rows], the first that is empty. */
export function writeQuantized(
  past: (name: string) => Value,
  target: Value,
  news: { readonly key: Value; readonly value: Value },
  sizes: QuantizedSizes,
): QuantizedWrite {
  const { rows, slots, headDim, store } = sizes;
  const { group_size: size, bits } = store;
  const starts = (each: number) =>
    constant(
      Int32Array.from({ length: rows }, (_, row) => row * each),
      [rows],
    );
  const group = div(target, int(size));
  const first = mul(group, int(size));
  const offset = sub(target, first);
  const places = add(
    reshape(add(first, starts(slots)), { shape: [rows, 1] }),
    reshape(iota(size), { shape: [1, size] }),
  );
  const at = reshape(places, { shape: [rows * size] });
  const openOf = (kind: "key" | "value") =>
    replaceRows(past(`${kind}.open`), add(offset, starts(size)), news[kind]);
  const open = { key: openOf("key"), value: openOf("value") };

  // Rows after the new token are those of an earlier group.
  const filled = lessOrEqual(
    reshape(iota(size), { shape: [1, size, 1] }),
    reshape(offset, { shape: [rows, 1, 1] }),
  );
  const keys = roundAlong(
    reshape(open.key, { shape: [rows, size, headDim] }),
    1,
    bits,
    expand(filled, { shape: [rows, size, headDim] }),
  );
  const values = roundValues(open.value, sizes);
  const flatKeys = reshape(keys.codes, { shape: [rows * size, headDim] });
  const next = new Map<string, Value>([
    ["key.codes", replaceRows(past("key.codes"), at, pack(flatKeys, bits))],
    ["value.codes", replaceRows(past("value.codes"), at, pack(values.codes, bits))],
    ["key.open", open.key],
    ["value.open", open.value],
  ]);
  const range = add(group, starts(slots / size));
  for (const name of ["scale", "zero"] as const) {
    const ofKeys = reshape(keys[name], { shape: [rows, headDim] });
    next.set(`key.${name}`, replaceRows(past(`key.${name}`), range, ofKeys));
    next.set(`value.${name}`, replaceRows(past(`value.${name}`), at, values[name]));
  }
  const all = readAll((name) => next.get(name)!, sizes);
  return {
    next,
    keys: replaceRows(all.keys, at, open.key),
    values: replaceRows(all.values, at, open.value),
  };
}

/**
 * The tables for keys and values [rows · slots, headDim], of which `position` int32 [rows, slots] is -1 in empty slots, without
 * `key.open` and `value.open`.
 */
export function quantizeTables(
  { keys, values, position }: { readonly keys: Value; readonly values: Value; readonly position: Value },
  sizes: QuantizedSizes,
): Map<string, Value> {
  const { rows, slots, headDim, store } = sizes;
  const { group_size: size, bits } = store;
  const shape = [(rows * slots) / size, size, headDim];
  const isFilled = reshape(lessOrEqual(int(0), position), { shape: [shape[0]!, size, 1] });
  const key = roundAlong(reshape(keys, { shape }), 1, bits, expand(isFilled, { shape }));
  const value = roundValues(values, sizes);
  const flat = (x: Value) => reshape(x, { shape: [shape[0]!, headDim] });
  return new Map([
    ["key.codes", pack(reshape(key.codes, { shape: [rows * slots, headDim] }), bits)],
    ["key.scale", flat(key.scale)],
    ["key.zero", flat(key.zero)],
    ["value.codes", pack(value.codes, bits)],
    ["value.scale", value.scale],
    ["value.zero", value.zero],
  ]);
}
