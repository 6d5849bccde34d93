/** Compositions of operations shared by models and training. */
import { constant, scalar, type Shape, sizeOf, type Value } from "./op";
import { add, cast, div, greater, log, mul, neg, where } from "./ops/elementwise";
import { concat, reshape, slice } from "./ops/movement";

/** 0, 1, …, n - 1 as int32 [n]. */
export function iota(n: number): Value {
  return constant(
    Int32Array.from({ length: n }, (_, i) => i),
    [n],
  );
}

export const int = (number: number): Value => constant(Int32Array.of(number), []);

/** Rotary embedding in the rotate-half convention: x·cos + (-x₂, x₁)·sin over the last axis, x = (x₁, x₂). */
export function rope(x: Value, cos: Value, sin: Value): Value {
  const axis = x.type.shape.length - 1;
  const width = x.type.shape[axis]!;
  const first = slice(x, { axis, start: 0, end: width / 2 });
  const second = slice(x, { axis, start: width / 2, end: width });
  return add(mul(x, cos), mul(concat(neg(second), first, { axis }), sin));
}

/** Position of a block within a tensor, so that dropout applied block by block draws the same mask as on the whole tensor. */
export interface DropoutPart {
  /** The axis along which the block covers positions `start`, `start + 1`, …; along the last axis it starts at 0. */
  readonly axis: number;
  readonly start: number;
  /** Sizes of `axis` and of the last axis in the whole tensor. */
  readonly whole: readonly [rows: number, width: number];
}

/**
 * Inverted dropout: zeroes each element with probability `rate` and divides the others by 1 - rate.
 * The mask is a hash of (seed, site, position), so that a resumed run draws the same mask at the same step. `seed` is an
 * int32 scalar input that changes every step; `site` is a number unique to each use within a graph.
 */
export function dropout(x: Value, rate: number, seed: Value, site: number, part?: DropoutPart): Value {
  if (rate === 0) return x;
  const { shape } = x.type;
  const width = shape.at(-1) ?? 1;
  const rows = computeRowNumbers(sizeOf(shape) / width, shape, part);
  const noise = reshape(uniformBits(rows, width, part?.whole[1] ?? width, seed, site), { shape });
  // The bits are uniform over the int32 range; elements below the threshold are dropped.
  const threshold = Math.round((rate - 0.5) * 2 ** 32);
  const mask = greater(noise, int(Math.min(threshold, 2 ** 31 - 1)));
  return where(mask, mul(x, scalar(1 / (1 - rate))), scalar(0));
}

/** The index of each row within the whole tensor. */
function computeRowNumbers(rows: number, shape: Shape, part: DropoutPart | undefined): Int32Array {
  if (part === undefined) return Int32Array.from({ length: rows }, (_, row) => row);
  const inner = sizeOf(shape.slice(part.axis + 1, -1));
  const partSize = shape[part.axis]! * inner;
  const whole = part.whole[0] * inner;
  return Int32Array.from(
    { length: rows },
    (_, row) => Math.floor(row / partSize) * whole + part.start * inner + (row % partSize),
  );
}

/**
 * Standard Gumbel noise of this shape, -ln(-ln u): a hash of (seed, site, row, column). `seeds` is int32 [rows, 1], a seed for
 * each row of the last axis; `rows` numbers them.
 */
export function gumbelNoise(shape: Shape, rows: Int32Array, seeds: Value, site: number): Value {
  // A fixed stride: the noise of an element does not depend on the number of columns.
  const bits = uniformBits(rows, shape.at(-1)!, 1 << 20, seeds, site);
  // The upper 23 bits as the middles of 2²³ intervals of (0, 1): neither logarithm is infinite.
  const uniform = mul(
    add(cast(div(bits, int(1 << 9)), { to: "float32" }), scalar(2 ** 22 + 0.5)),
    scalar(2 ** -23),
  );
  return reshape(neg(log(neg(log(uniform)))), { shape });
}

/**
 * Hashes (seed, site, position) to int32 [rows, width] with products, quotients and sums, which every device supports.
 * A position is row · `stride` + column, computed in the graph because attention has too many positions to store.
 */
function uniformBits(rows: Int32Array, width: number, stride: number, seed: Value, site: number): Value {
  const one = int(1);
  let key = add(mul(seed, int(0x9e3779b1 | 0)), int(Math.imul(site + 1, 0xc2b2ae35)));
  for (let round = 0; round < 3; round++) key = foldHighBits(mixSquare(key, one));
  // The key is both an offset and a factor. As an offset alone, it would make all masks sections of one sequence.
  const odd = add(add(key, key), one);
  const starts = rows.map((row) => Math.imul(row, Math.imul(stride, spread)));
  const columns = Int32Array.from({ length: width }, (_, column) => Math.imul(column, spread));
  const row = add(constant(starts, [rows.length, 1]), mixSquare(key, odd));
  const position = add(row, constant(columns, [1, width]));
  return mixSquare(foldHighBits(mixSquare(position, odd)), odd);
}
const spread = 0x85ebca6b | 0;

/** x·(2x + odd) modulo 2³²: a bijection in which each bit depends nonlinearly on all lower bits of x. */
const mixSquare = (x: Value, odd: Value): Value => mul(x, add(add(x, x), odd));

/** Adds the high bits, which `mixSquare` mixes best, to the low bits. */
const foldHighBits = (x: Value): Value => add(x, div(x, int(1 << 15)));
