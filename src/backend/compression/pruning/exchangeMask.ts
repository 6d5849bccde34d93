/** Moves a mask of fixed size: drops the smallest kept weights and grows others (Evci et al. 2020, algorithm 1). */
import { findLowest } from "./smallest";

/**
 * Drops ⌊share · kept⌋ of the kept weights, those with the smallest magnitudes, and grows as many with the highest `growth`
 * of all that are not kept then. A weight that was just dropped can be among them, and then stays as it is, as in the published code.
 */
export function exchangeMask(
  weights: Float32Array,
  mask: Uint8Array,
  growth: Float32Array,
  share: number,
): Uint8Array {
  const places = (value: number, of: Uint8Array) =>
    Uint32Array.from([...of.keys()].filter((i) => of[i] === value));
  const kept = places(1, mask);
  const free = mask.length - kept.length;
  const count = Math.min(Math.floor(share * kept.length), free);
  const next = mask.slice();
  const select = (from: Uint32Array, score: (place: number) => number) =>
    findLowest(from, Float32Array.from(from, score), count);
  for (const place of select(kept, (i) => Math.abs(weights[i]!))) next[place] = 0;
  for (const place of select(places(0, next), (i) => -growth[i]!)) next[place] = 1;
  return next;
}
