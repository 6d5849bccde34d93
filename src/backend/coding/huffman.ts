/** Length-limited canonical prefix codes: optimal lengths, code words and decoding tables. */
import { WorkbenchError } from "../../protocol/errors";

/**
 * Computes the word lengths in bits of the optimal prefix code with words of at most `limit` bits (package-merge, Larmore
 * and Hirschberg, JACM 37:3, 1990). Symbols that do not occur have length 0; a single symbol has length 1.
 */
export function computeCodeLengths(counts: ArrayLike<number>, limit: number): Uint8Array {
  const lengths = new Uint8Array(counts.length);
  const used = Array.from(counts, (weight, symbol) => ({ weight, symbols: [symbol] }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => a.weight - b.weight);
  if (used.length > 2 ** limit)
    throw new Error(`${used.length} symbols need words of more than ${limit} bits.`);
  if (used.length === 1) lengths[used[0]!.symbols[0]!] = 1;
  if (used.length < 2) return lengths;
  let row = used;
  for (let level = 1; level < limit; level++) {
    const packages = Array.from({ length: row.length >> 1 }, (_, i) => {
      const [left, right] = [row[2 * i]!, row[2 * i + 1]!];
      return { weight: left.weight + right.weight, symbols: [...left.symbols, ...right.symbols] };
    });
    row = [...used, ...packages].sort((a, b) => a.weight - b.weight);
  }
  for (const { symbols } of row.slice(0, 2 * used.length - 2))
    for (const symbol of symbols) lengths[symbol] = lengths[symbol]! + 1;
  return lengths;
}

/** Assigns words in canonical order: by length, then by symbol. */
export function assignCanonicalCodes(lengths: Uint8Array): Uint32Array {
  const codes = new Uint32Array(lengths.length);
  const longest = Math.max(0, ...lengths);
  let next = 0;
  for (let length = 1; length <= longest; length++) {
    next *= 2;
    for (let symbol = 0; symbol < lengths.length; symbol++)
      if (lengths[symbol] === length) codes[symbol] = next++;
  }
  return codes;
}

/**
 * Writes the word of each number, starting at byte `at`, highest bit first, and pads the last byte with zeros. Returns the
 * offset after it. Words have at most 16 bits.
 */
export function writeWords(
  bytes: Uint8Array,
  at: number,
  numbers: Uint8Array,
  { lengths, codes }: { readonly lengths: Uint8Array; readonly codes: Uint32Array },
): number {
  let [buffer, count, next] = [0, 0, at];
  for (const number of numbers) {
    buffer = (buffer << lengths[number]!) | codes[number]!;
    count += lengths[number]!;
    while (count >= 8) {
      count -= 8;
      bytes[next++] = buffer >> count;
      buffer &= (1 << count) - 1;
    }
  }
  if (count > 0) bytes[next++] = buffer << (8 - count);
  return next;
}

/** Maximum number of words per lookup in `createMultiWordTable`. */
export const maxWordsPerEntry = 4;

export interface MultiWordTable {
  /** The symbols of all complete words within the bits, the first in the lowest byte. */
  readonly symbols: Int32Array;
  /** Number of words times 16, plus their bits; 0 if no word starts with the bits. */
  readonly sizes: Uint8Array;
}

/** Extends `createDecodingTable` from one word to up to four; `limit` is at most 15. */
export function createMultiWordTable(table: Uint16Array, limit: number): MultiWordTable {
  const mask = 2 ** limit - 1;
  const symbols = new Int32Array(table.length);
  const sizes = new Uint8Array(table.length);
  for (let bits = 0; bits < table.length; bits++) {
    let [used, words] = [0, 0];
    while (words < maxWordsPerEntry) {
      const entry = table[(bits << used) & mask]!;
      if (entry < 256 || used + (entry >> 8) > limit) break;
      symbols[bits]! |= (entry & 0xff) << (8 * words++);
      used += entry >> 8;
    }
    sizes[bits] = (words << 4) | used;
  }
  return { symbols, sizes };
}

/**
 * For every pattern of `limit` bits, the length of the first word times 256 plus its symbol; 0 if no word starts with the
 * pattern. Throws if the lengths do not form a prefix code.
 */
export function createDecodingTable(lengths: Uint8Array, limit: number): Uint16Array {
  const table = new Uint16Array(2 ** limit);
  const codes = assignCanonicalCodes(lengths);
  let room = table.length;
  for (const [symbol, length] of lengths.entries()) {
    if (length === 0) continue;
    const width = 2 ** (limit - length);
    room -= width;
    if (length > limit || room < 0)
      throw new WorkbenchError(
        "corrupt",
        "The word lengths do not form a prefix code. Use another copy of the file.",
      );
    table.fill((length << 8) | symbol, codes[symbol]! * width, (codes[symbol]! + 1) * width);
  }
  return table;
}
