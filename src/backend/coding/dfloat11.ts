/**
 * DFloat11 (Zhang et al., arXiv 2504.11651): lossless bfloat16 in about 11 bits. The exponents of trained weights have an
 * entropy below three bits, so they are stored in a prefix code; sign and fraction are stored in one byte.
 * Blocks start at byte boundaries, so that parts of a tensor can be decoded separately and in parallel.
 *
 * Layout: 256 lengths of words, a byte each; the first byte of each block in the stream and the stream's length, 32 bits
 * each, little endian; a byte of sign and fraction for each weight; the stream, highest bit first.
 */
import { WorkbenchError } from "../../protocol/errors";
import {
  assignCanonicalCodes,
  computeCodeLengths,
  createDecodingTable,
  type MultiWordTable,
  createMultiWordTable,
  maxWordsPerEntry,
  writeWords,
} from "./huffman";

/** Weights per block. Its offset costs 0.002 bits per weight. */
export const blockWeights = 2 ** 14;
/** Longest word. The table of all prefixes fits in the L1 cache, and longer words would hardly save space. */
const maxWordLength = 12;
const symbols = 256;

/** Encodes bit patterns of bfloat16 numbers, including all special values. */
export function encodeDFloat11(words: Uint16Array): Uint8Array {
  const counts = new Float64Array(symbols);
  for (const word of words) counts[(word >> 7) & 0xff]!++;
  const lengths = computeCodeLengths(counts, maxWordLength);
  const codes = assignCanonicalCodes(lengths);
  const blocks = Math.ceil(words.length / blockWeights);
  const bits = counts.reduce((sum, count, symbol) => sum + count * lengths[symbol]!, 0);
  const head = computeHeadBytes(words.length);
  const streamAt = head + words.length;
  // Each block may end in a partial byte.
  const bytes = new Uint8Array(streamAt + Math.ceil(bits / 8) + blocks);
  const view = new DataView(bytes.buffer);
  bytes.set(lengths);
  let at = streamAt;
  const exponents = new Uint8Array(blockWeights);
  for (let block = 0; block < blocks; block++) {
    view.setUint32(symbols + 4 * block, at - streamAt, true);
    const begin = block * blockWeights;
    const size = Math.min(blockWeights, words.length - begin);
    for (let i = 0; i < size; i++) {
      const word = words[begin + i]!;
      bytes[head + begin + i] = ((word >> 8) & 0x80) | (word & 0x7f);
      exponents[i] = (word >> 7) & 0xff;
    }
    at = writeWords(bytes, at, exponents.subarray(0, size), { lengths, codes });
  }
  view.setUint32(symbols + 4 * blocks, at - streamAt, true);
  return bytes.slice(0, at);
}

/** Size in bytes of the lengths and offsets before the weights. */
function computeHeadBytes(weights: number): number {
  return symbols + 4 * (Math.ceil(weights / blockWeights) + 1);
}

/** Reads encoded bytes `from` (inclusive) to `to` (exclusive). */
export type ByteSource = (from: number, to: number) => Uint8Array;

export interface DFloat11 {
  /** Decodes the bit patterns of weights `from` (inclusive) to `to` (exclusive). */
  read(from: number, to: number): Uint16Array;
}

/** Reads and validates only lengths and offsets. Throws `corrupt`. */
export function openDFloat11(source: ByteSource, bytes: number, weights: number): DFloat11 {
  const corruptError = (what: string) =>
    new WorkbenchError(
      "corrupt",
      `The entropy-coded weights are damaged: ${what}. Use another copy of the file.`,
    );
  const head = computeHeadBytes(weights);
  if (bytes < head + weights) throw corruptError(`${bytes} bytes cannot hold ${weights} weights`);
  const start = source(0, head);
  const single = createDecodingTable(start.subarray(0, symbols), maxWordLength);
  const tables: Tables = { single, several: createMultiWordTable(single, maxWordLength) };
  const view = new DataView(start.buffer, start.byteOffset + symbols, head - symbols);
  const places = Array.from({ length: (head - symbols) / 4 }, (_, i) => view.getUint32(4 * i, true));
  const streamAt = head + weights;
  if (places[0] !== 0 || places.some((place, i) => i > 0 && place < places[i - 1]!))
    throw corruptError("its blocks are out of order");
  if (places.at(-1) !== bytes - streamAt) throw corruptError("the length of its stream is wrong");
  return {
    read(from, to) {
      const out = new Uint16Array(Math.max(0, to - from));
      if (out.length === 0) return out;
      const [first, last] = [Math.floor(from / blockWeights), Math.ceil(to / blockWeights)];
      const signs = source(head + from, head + to);
      const stream = source(streamAt + places[first]!, streamAt + places[last]!);
      const exponents = new Uint8Array(exponentBytes);
      for (let block = first; block < last; block++) {
        const begin = block * blockWeights;
        const part = stream.subarray(places[block]! - places[first]!, places[block + 1]! - places[first]!);
        const end = Math.min(weights, begin + blockWeights);
        if (!decodeBlock(part, tables, end - begin, createView(exponents)))
          throw corruptError(`block ${block} does not end where the next begins`);
        // Only the requested part of the first and last block.
        const [start, stop] = [Math.max(begin, from), Math.min(end, to)];
        const at = start - from;
        join(
          createView(signs, at),
          createView(exponents, start - begin),
          createView(out, 2 * at),
          stop - start,
        );
      }
      return out;
    },
  };
}

interface Tables {
  readonly single: Uint16Array;
  readonly several: MultiWordTable;
}

/** Includes space for the words that the last lookup writes beyond the end. */
const exponentBytes = blockWeights + maxWordsPerEntry;

/** Decodes the exponents of a block; returns false if the stream is not a sequence of that many words. */
function decodeBlock(
  stream: Uint8Array,
  { single, several: { symbols: wordSymbols, sizes } }: Tables,
  weights: number,
  exponents: DataView,
): boolean {
  const bits = createView(stream);
  // A lookup loads four bytes, starting at its first byte, so that no branch depends on the data.
  const lastLoad = 8 * (stream.length - 4);
  const lastWords = weights - maxWordsPerEntry;
  let [i, at] = [0, 0];
  while (i <= lastWords && at <= lastLoad) {
    const ahead = (bits.getInt32(at >>> 3) << (at & 7)) >>> (32 - maxWordLength);
    const size = sizes[ahead]!;
    if (size === 0) return false;
    // Writes four words; the next lookup overwrites those beyond the decoded ones.
    exponents.setInt32(i, wordSymbols[ahead]!, true);
    at += size & 0xf;
    i += size >> 4;
  }
  for (; i < weights; i++) {
    // Zeros follow the last byte; a block that reads them is rejected below.
    const byte = at >>> 3;
    const three = ((stream[byte] ?? 0) << 16) | ((stream[byte + 1] ?? 0) << 8) | (stream[byte + 2] ?? 0);
    const word = single[((three << (8 + (at & 7))) >>> (32 - maxWordLength)) & 0xfff]!;
    if (word < 256) return false;
    at += word >> 8;
    exponents.setUint8(i, word & 0xff);
  }
  return Math.ceil(at / 8) === stream.length;
}

/** Joins bytes of signs and fractions with bytes of exponents to `count` patterns, four at a time. */
function join(signs: DataView, exponents: DataView, out: DataView, count: number): void {
  let i = 0;
  for (; i <= count - 4; i += 4) {
    const s = signs.getInt32(i, true);
    const e = exponents.getInt32(i, true);
    out.setInt32(2 * i, packPair(s, e), true);
    out.setInt32(2 * i + 4, packPair(s >>> 16, e >>> 16), true);
  }
  for (; i < count; i++) out.setUint16(2 * i, packPair(signs.getUint8(i), exponents.getUint8(i)), true);
}

/** Joins the lowest two bytes of each to two patterns: one sign bit, eight exponent bits, seven fraction bits. */
function packPair(s: number, e: number): number {
  return (
    ((s & 0x80) << 8) |
    ((e & 0xff) << 7) |
    (s & 0x7f) |
    ((s & 0x8000) << 16) |
    ((e & 0xff00) << 15) |
    ((s & 0x7f00) << 8)
  );
}

function createView({ buffer, byteOffset, byteLength }: Uint8Array | Uint16Array, from = 0): DataView {
  return new DataView(buffer, byteOffset + from, byteLength - from);
}
