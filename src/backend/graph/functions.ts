/** Small compositions of operations that models and training share. */
import { constant, scalar, sizeOf, type Value } from "./op";
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

/**
 * Inverted dropout: each element is zeroed with probability `rate`, the others are divided by 1 - rate.
 * The mask is a hash of (seed, site, position), so that the same step of a resumed run draws the same mask. `seed` is an
 * int32 scalar input that changes every step, `site` a number that differs between the uses of one graph.
 */
export function dropout(x: Value, rate: number, seed: Value, site: number): Value {
  if (rate === 0) return x;
  const { shape } = x.type;
  const width = shape.at(-1) ?? 1;
  const noise = reshape(uniformBits(sizeOf(shape) / width, width, seed, site), { shape });
  // The bits are uniform over all of int32; the share below the threshold is dropped.
  const threshold = Math.round((rate - 0.5) * 2 ** 32);
  const kept = greater(noise, int(Math.min(threshold, 2 ** 31 - 1)));
  return where(kept, mul(x, scalar(1 / (1 - rate))), scalar(0));
}

/**
 * int32 [rows, width], a hash of (seed, site, position) by products, quotients and sums, which every device has.
 * A position is the sum of a row and a column, because attention has too many of them to store each in the graph.
 */
function uniformBits(rows: number, width: number, seed: Value, site: number): Value {
  const one = int(1);
  let key = add(mul(seed, int(0x9e3779b1 | 0)), int(Math.imul(site + 1, 0xc2b2ae35)));
  for (let round = 0; round < 3; round++) key = folded(squared(key, one));
  // The key is an offset and a factor too: as an offset alone, it would make all masks pieces of one sequence.
  const odd = add(add(key, key), one);
  const multiples = (count: number, step: number) =>
    Int32Array.from({ length: count }, (_, i) => Math.imul(i, step));
  const row = add(constant(multiples(rows, Math.imul(width, spread)), [rows, 1]), squared(key, odd));
  const position = add(row, constant(multiples(width, spread), [1, width]));
  return squared(folded(squared(position, odd)), odd);
}
const spread = 0x85ebca6b | 0;

/** x·(2x + odd) modulo 2³²: one to one, and each bit of it depends on all lower bits of x, not linearly. */
const squared = (x: Value, odd: Value): Value => mul(x, add(add(x, x), odd));

/** Carries the high bits, which `squared` mixes best, down to the low ones. */
const folded = (x: Value): Value => add(x, div(x, int(1 << 15)));
