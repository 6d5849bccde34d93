/** Universal hash functions h(k) = ((a·k + b) mod p) mod range with p = 2³¹ − 1 (Carter and Wegman 1979), in exact integers on every platform. */
import { createRandomStream } from "./randomStream";

const prime = 2 ** 31 - 1;

/** Multiplier, 1 … p − 1, and offset, 0 … p − 1. */
export interface HashConstants {
  readonly a: number;
  readonly b: number;
}

/** Draws a function of the family; it depends only on the name and the seed. */
export function drawHash(name: string, seed: number): HashConstants {
  const next = createRandomStream(name, seed);
  // A draw has 24 random bits.
  const drawBelow = (range: number) =>
    (Math.floor(next() * 2 ** 16) * 2 ** 15 + Math.floor(next() * 2 ** 15)) % range;
  return { a: 1 + drawBelow(prime - 1), b: drawBelow(prime) };
}

/** Hashes 0 … count − 1 to 0 … range − 1. `count` is at most 2³¹. */
export function hashRange({ a, b }: HashConstants, count: number, range: number): Int32Array {
  const hashes = new Int32Array(count);
  // Adding a to the last value is (a·k + b) mod p without a product of 62 bits.
  for (let k = 0, value = b; k < count; k++) {
    hashes[k] = value % range;
    value = (value + a) % prime;
  }
  return hashes;
}
