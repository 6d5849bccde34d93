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
  const count = sizeOf(x.type.shape);
  const noise = reshape(hash(add(iota(count), mul(seed, int(0x9e3779b1 | 0))), site), {
    shape: x.type.shape,
  });
  // The hash is uniform over all of int32; the share below the threshold is dropped.
  const threshold = Math.round((rate - 0.5) * 2 ** 32);
  const kept = greater(noise, int(Math.min(threshold, 2 ** 31 - 1)));
  return where(kept, div(x, scalar(1 - rate)), scalar(0));
}

/** Mixes int32 numbers by rounds of multiply and add-the-high-half; only products, quotients and sums, which every device has. */
function hash(x: Value, site: number): Value {
  let mixed = add(mul(x, int(0x85ebca6b | 0)), int(Math.imul(site + 1, 0xc2b2ae35)));
  for (const factor of [0x27d4eb2f, 0x165667b1, 0x2c1b3c6d])
    mixed = mul(add(mixed, div(mixed, int(1 << 15))), int(factor));
  return mixed;
}
