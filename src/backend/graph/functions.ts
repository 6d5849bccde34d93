/** Small compositions of operations that models and training share. */
import { constant, scalar, type Shape, sizeOf, type Value } from "./op";
import { add, div, erf, greater, mul, neg, where } from "./ops/elementwise";
import { concat, reshape, slice } from "./ops/movement";

/** 0, 1, …, n - 1 as int32 [n]. */
export function iota(n: number): Value {
  return constant(
    Int32Array.from({ length: n }, (_, i) => i),
    [n],
  );
}

export const int = (number: number): Value => constant(Int32Array.of(number), []);

/** The exact GELU: x · Φ(x) = x/2 · (1 + erf(x/√2)). */
export function gelu(x: Value): Value {
  return mul(mul(x, scalar(0.5)), add(erf(mul(x, scalar(Math.SQRT1_2))), scalar(1)));
}

/** Rotary embedding in the rotate-half convention: x·cos + (-x₂, x₁)·sin over the last axis, x = (x₁, x₂). */
export function rope(x: Value, cos: Value, sin: Value): Value {
  const axis = x.type.shape.length - 1;
  const width = x.type.shape[axis]!;
  const first = slice(x, { axis, start: 0, end: width / 2 });
  const second = slice(x, { axis, start: width / 2, end: width });
  return add(mul(x, cos), mul(concat(neg(second), first, { axis }), sin));
}

/** Where a block of rows lies in a tensor that is dropped block by block, so that together they get the mask of the whole. */
export interface DropoutPart {
  /** The axis whose positions `start`, `start + 1`, … the block has; the last axis begins at 0. */
  readonly axis: number;
  readonly start: number;
  /** Sizes of that axis and of the last one in the whole tensor. */
  readonly whole: readonly [rows: number, width: number];
}

/**
 * Inverted dropout: each element is zeroed with probability `rate`, the others are divided by 1 - rate.
 * The mask is a hash of (seed, site, position), so that the same step of a resumed run draws the same mask. `seed` is an
 * int32 scalar input that changes every step, `site` a number that differs between the uses of one graph.
 */
export function dropout(x: Value, rate: number, seed: Value, site: number, part?: DropoutPart): Value {
  if (rate === 0) return x;
  const { shape } = x.type;
  const width = shape.at(-1) ?? 1;
  const rows = rowNumbers(sizeOf(shape) / width, shape, part);
  const noise = reshape(uniformBits(rows, width, part?.whole[1] ?? width, seed, site), { shape });
  // The bits are uniform over all of int32; the share below the threshold is dropped.
  const threshold = Math.round((rate - 0.5) * 2 ** 32);
  const kept = greater(noise, int(Math.min(threshold, 2 ** 31 - 1)));
  return where(kept, mul(x, scalar(1 / (1 - rate))), scalar(0));
}

/** Which row of the whole tensor each row is. */
function rowNumbers(rows: number, shape: Shape, part: DropoutPart | undefined): Int32Array {
  if (part === undefined) return Int32Array.from({ length: rows }, (_, row) => row);
  const inner = sizeOf(shape.slice(part.axis + 1, -1));
  const own = shape[part.axis]! * inner;
  const whole = part.whole[0] * inner;
  return Int32Array.from(
    { length: rows },
    (_, row) => Math.floor(row / own) * whole + part.start * inner + (row % own),
  );
}

/**
 * int32 [rows, width], a hash of (seed, site, position) by products, quotients and sums, which every device has.
 * A position is the sum of a row's (rows are `stride` apart) and a column's, because attention has too many of them to
 * store each in the graph.
 */
function uniformBits(rows: Int32Array, width: number, stride: number, seed: Value, site: number): Value {
  const one = int(1);
  let key = add(mul(seed, int(0x9e3779b1 | 0)), int(Math.imul(site + 1, 0xc2b2ae35)));
  for (let round = 0; round < 3; round++) key = folded(squared(key, one));
  // The key is an offset and a factor too: as an offset alone, it would make all masks pieces of one sequence.
  const odd = add(add(key, key), one);
  const starts = rows.map((row) => Math.imul(row, Math.imul(stride, spread)));
  const columns = Int32Array.from({ length: width }, (_, column) => Math.imul(column, spread));
  const row = add(constant(starts, [rows.length, 1]), squared(key, odd));
  const position = add(row, constant(columns, [1, width]));
  return squared(folded(squared(position, odd)), odd);
}
const spread = 0x85ebca6b | 0;

/** x·(2x + odd) modulo 2³²: one to one, and each bit of it depends on all lower bits of x, not linearly. */
const squared = (x: Value, odd: Value): Value => mul(x, add(add(x, x), odd));

/** Carries the high bits, which `squared` mixes best, down to the low ones. */
const folded = (x: Value): Value => add(x, div(x, int(1 << 15)));
