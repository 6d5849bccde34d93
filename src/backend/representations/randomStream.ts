/** Random numbers that depend only on a name and a seed, so that the values of one tensor do not depend on other tensors. */
import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** Creates a generator of uniform numbers in [0, 1). */
export function createRandomStream(name: string, seed: number): () => number {
  let hash = 0x811c9dc5 ^ seed;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  const generator = xoroshiro128plus(hash ^ (hash >>> 16));
  // The initial state has few bits set; a few steps mix it.
  for (let i = 0; i < 16; i++) generator.next();
  return () => uniformFloat32(generator);
}

/** Shuffles 0 … count − 1 (Fisher-Yates). */
export function createRandomOrder(count: number, name: string, seed: number): Int32Array {
  const next = createRandomStream(name, seed);
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
