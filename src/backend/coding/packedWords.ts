/**
 * Unsigned codes of a few bits in 32-bit words, the first code in the lowest bits. A code may cross the boundary of two words:
 * 32 codes of three bits take three words. Both GPTQ and compressed-tensors pack in this way.
 */

/** Words of `count` codes; the last may have unused bits. */
export function countWords(count: number, bits: number): number {
  return Math.ceil((count * bits) / 32);
}

/** Where the words of a line of codes are: the first at `at`, the next after `stride`. */
export interface WordLine {
  readonly words: Int32Array;
  readonly at: number;
  readonly stride: number;
  readonly bits: number;
}

/** Writes code `i` of the line, whose bits must be 0 so far. */
export function writeCode({ words, at, stride, bits }: WordLine, i: number, code: number): void {
  const [word, shift] = [Math.floor((i * bits) / 32), (i * bits) % 32];
  words[at + word * stride]! |= code << shift;
  if (shift + bits > 32) words[at + (word + 1) * stride]! |= code >>> (32 - shift);
}

export function readCode({ words, at, stride, bits }: WordLine, i: number): number {
  const [word, shift] = [Math.floor((i * bits) / 32), (i * bits) % 32];
  const low = words[at + word * stride]! >>> shift;
  const high = shift + bits > 32 ? words[at + (word + 1) * stride]! << (32 - shift) : 0;
  return (low | high) & (2 ** bits - 1);
}
