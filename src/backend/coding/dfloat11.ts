/**
 * DFloat11 (Zhang et al., arXiv 2504.11651): bfloat16 without loss in about 11 bits. The exponents of trained weights hold
 * less than three bits of information, so they are written in a prefix code; sign and fraction stay a byte of their own.
 * Blocks begin at bytes, so that any part of a tensor can be decoded, and several at once.
 *
 * Layout: 256 lengths of words, a byte each; the first byte of each block in the stream and the stream's length, 32 bits
 * each, little endian; a byte of sign and fraction for each weight; the stream, highest bit first.
 */
import { WorkbenchError } from "../../protocol/errors";
import { canonicalCodes, codeLengths, decodingTable, severalWords, wordsAtOnce, writeWords } from "./huffman";

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
  const tables = { single, several: severalWords(single, longestWord) };
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
      for (let block = first; block < last; block++) {
        const begin = block * blockWeights;
        const part = stream.subarray(places[block]! - places[first]!, places[block + 1]! - places[first]!);
        const end = Math.min(weights, begin + blockWeights);
        if (!decodeBlock(part, tables, end - begin, { out, signs, at: begin - from }))
          throw broken(`block ${block} does not end where the next begins`);
      }
      return out;
    },
  };
}

interface Target {
  readonly out: Uint16Array;
  readonly signs: Uint8Array;
  /** Place of the block's first weight; before 0 where only its end is wanted. */
  readonly at: number;
}

/** False where the stream is no sequence of that many words. A typed array ignores what is written outside it, so no bound is asked for. */
function decodeBlock(
  stream: Uint8Array,
  { single, several }: { readonly single: Uint16Array; readonly several: Uint32Array },
  weights: number,
  { out, signs, at }: Target,
): boolean {
  let [held, count, next] = [0, 0, 0];
  const end = at + weights;
  let i = at;
  // Three weights a look-up; where it has fewer words, what is written behind them is written over. Not beyond the arrays.
  const fastFrom = Math.max(0, at);
  const fastTo = Math.min(end, signs.length) - wordsAtOnce;
  while (i >= fastFrom && i <= fastTo) {
    if (count < longestWord) {
      held = (held << 16) | (stream[next]! << 8) | stream[next + 1]!;
      next += 2;
      count += 16;
    }
    const found = several[(held >>> (count - longestWord)) & 0xfff]!;
    if (found === 0) return false;
    const [a, b, c] = [signs[i]!, signs[i + 1]!, signs[i + 2]!];
    out[i] = ((a & 0x80) << 8) | (((found >>> 6) & 0xff) << 7) | (a & 0x7f);
    out[i + 1] = ((b & 0x80) << 8) | (((found >>> 14) & 0xff) << 7) | (b & 0x7f);
    out[i + 2] = ((c & 0x80) << 8) | (((found >>> 22) & 0xff) << 7) | (c & 0x7f);
    count -= found & 0xf;
    i += (found >>> 4) & 3;
  }
  for (; i < end; i++) {
    if (count < longestWord) {
      // Behind the last byte come zeros; a block that uses them is refused below.
      held = (held << 16) | (stream[next]! << 8) | stream[next + 1]!;
      next += 2;
      count += 16;
    }
    const found = single[(held >>> (count - longestWord)) & 0xfff]!;
    if (found < 256) return false;
    count -= found >> 8;
    const sign = signs[i]!;
    out[i] = ((sign & 0x80) << 8) | ((found & 0xff) << 7) | (sign & 0x7f);
  }
  return Math.ceil((8 * next - count) / 8) === stream.length;
}
