/**
 * DFloat11 (Zhang et al., arXiv 2504.11651): bfloat16 without loss in about 11 bits. The exponents of trained weights hold
 * less than three bits of information, so they are written in a prefix code; sign and fraction stay a byte of their own.
 * Blocks begin at bytes, so that any part of a tensor can be decoded, and several at once.
 *
 * Layout: 256 lengths of words, a byte each; the first byte of each block in the stream and the stream's length, 32 bits
 * each, little endian; a byte of sign and fraction for each weight; the stream, highest bit first.
 */
import { WorkbenchError } from "../../protocol/errors";
import {
  canonicalCodes,
  codeLengths,
  decodingTable,
  type SeveralWords,
  severalWords,
  wordsAtOnce,
  writeWords,
} from "./huffman";

/** Weights of a block: its place costs two thousandths of a bit a weight. */
export const blockWeights = 2 ** 14;
/** Longest word: a table of all beginnings fits the first cache, and rarer exponents cost next to nothing. */
const longestWord = 12;
const symbols = 256;

/** The patterns of bfloat16 numbers, any of the 65,536, as bytes. */
export function encodeDFloat11(words: Uint16Array): Uint8Array {
  const counts = new Float64Array(symbols);
  for (const word of words) counts[(word >> 7) & 0xff]!++;
  const lengths = codeLengths(counts, longestWord);
  const codes = canonicalCodes(lengths);
  const blocks = Math.ceil(words.length / blockWeights);
  const bits = counts.reduce((sum, count, symbol) => sum + count * lengths[symbol]!, 0);
  const head = headBytes(words.length);
  const streamAt = head + words.length;
  // Each block may end in a byte that is not full.
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

/** Bytes of lengths and places before the weights. */
function headBytes(weights: number): number {
  return symbols + 4 * (Math.ceil(weights / blockWeights) + 1);
}

/** Bytes from one to before another of what was encoded. */
export type ByteSource = (from: number, to: number) => Uint8Array;

export interface DFloat11 {
  /** The patterns of the weights from one to before another. */
  read(from: number, to: number): Uint16Array;
}

/** Reads no more than lengths and places; trusts none of them. Throws `corrupt`. */
export function openDFloat11(source: ByteSource, bytes: number, weights: number): DFloat11 {
  const broken = (what: string) =>
    new WorkbenchError(
      "corrupt",
      `The entropy-coded weights are damaged: ${what}. Use another copy of the file.`,
    );
  const head = headBytes(weights);
  if (bytes < head + weights) throw broken(`${bytes} bytes cannot hold ${weights} weights`);
  const start = source(0, head);
  const single = decodingTable(start.subarray(0, symbols), longestWord);
  const tables: Tables = { single, several: severalWords(single, longestWord) };
  const view = new DataView(start.buffer, start.byteOffset + symbols, head - symbols);
  const places = Array.from({ length: (head - symbols) / 4 }, (_, i) => view.getUint32(4 * i, true));
  const streamAt = head + weights;
  if (places[0] !== 0 || places.some((place, i) => i > 0 && place < places[i - 1]!))
    throw broken("its blocks are out of order");
  if (places.at(-1) !== bytes - streamAt) throw broken("its stream has another length than it says");
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
        if (!decodeBlock(part, tables, end - begin, viewOf(exponents)))
          throw broken(`block ${block} does not end where the next begins`);
        // Of the first and the last block only what is wanted.
        const [start, stop] = [Math.max(begin, from), Math.min(end, to)];
        const at = start - from;
        join(viewOf(signs, at), viewOf(exponents, start - begin), viewOf(out, 2 * at), stop - start);
      }
      return out;
    },
  };
}

interface Tables {
  readonly single: Uint16Array;
  readonly several: SeveralWords;
}

/** Room for a look-up's words behind the last that is wanted. */
const exponentBytes = blockWeights + wordsAtOnce;

/** The exponents of a block; false where the stream is no sequence of that many words. */
function decodeBlock(
  stream: Uint8Array,
  { single, several: { symbols: found, sizes } }: Tables,
  weights: number,
  exponents: DataView,
): boolean {
  const bits = viewOf(stream);
  // A look-up loads four bytes from the one on in which it begins, so that no branch depends on what was read.
  const lastLoad = 8 * (stream.length - 4);
  const lastWords = weights - wordsAtOnce;
  let [i, at] = [0, 0];
  while (i <= lastWords && at <= lastLoad) {
    const ahead = (bits.getInt32(at >>> 3) << (at & 7)) >>> (32 - longestWord);
    const size = sizes[ahead]!;
    if (size === 0) return false;
    // Where it has fewer words than it writes, the next one writes over what is behind them.
    exponents.setInt32(i, found[ahead]!, true);
    at += size & 0xf;
    i += size >> 4;
  }
  for (; i < weights; i++) {
    // Behind the last byte come zeros; a block that uses them is refused below.
    const byte = at >>> 3;
    const three = ((stream[byte] ?? 0) << 16) | ((stream[byte + 1] ?? 0) << 8) | (stream[byte + 2] ?? 0);
    const word = single[((three << (8 + (at & 7))) >>> (32 - longestWord)) & 0xfff]!;
    if (word < 256) return false;
    at += word >> 8;
    exponents.setUint8(i, word & 0xff);
  }
  return Math.ceil(at / 8) === stream.length;
}

/** Patterns [count] of signs with fractions and of exponents, bytes of both; four at a time. */
function join(signs: DataView, exponents: DataView, out: DataView, count: number): void {
  let i = 0;
  for (; i <= count - 4; i += 4) {
    const s = signs.getInt32(i, true);
    const e = exponents.getInt32(i, true);
    out.setInt32(2 * i, pairOf(s, e), true);
    out.setInt32(2 * i + 4, pairOf(s >>> 16, e >>> 16), true);
  }
  for (; i < count; i++) out.setUint16(2 * i, pairOf(signs.getUint8(i), exponents.getUint8(i)), true);
}

/** Two patterns of the lowest two bytes of each: a sign, eight bits of exponent, seven of fraction. */
function pairOf(s: number, e: number): number {
  return (
    ((s & 0x80) << 8) |
    ((e & 0xff) << 7) |
    (s & 0x7f) |
    ((s & 0x8000) << 16) |
    ((e & 0xff00) << 15) |
    ((s & 0x7f00) << 8)
  );
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array | Uint16Array, from = 0): DataView {
  return new DataView(buffer, byteOffset + from, byteLength - from);
}
