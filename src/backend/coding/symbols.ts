/** A prefix code of bytes: 256 word lengths of one byte each, then the stream, highest bit first. */
import { WorkbenchError } from "../../protocol/errors";
import { canonicalCodes, codeLengths, decodingTable, writeWords } from "./huffman";

const longestWord = 12;
const symbols = 256;

export function encodeSymbols(numbers: Uint8Array): Uint8Array {
  const counts = new Float64Array(symbols);
  for (const number of numbers) counts[number]!++;
  const lengths = codeLengths(counts, longestWord);
  const codes = canonicalCodes(lengths);
  const bits = counts.reduce((sum, count, symbol) => sum + count * lengths[symbol]!, 0);
  const bytes = new Uint8Array(symbols + Math.ceil(bits / 8));
  bytes.set(lengths);
  writeWords(bytes, symbols, numbers, { lengths, codes });
  return bytes;
}

/** Decodes `size` numbers. Throws `corrupt` if the stream does not contain exactly that many. */
export function decodeSymbols(bytes: Uint8Array, size: number): Uint8Array {
  const broken = (what: string) =>
    new WorkbenchError(
      "corrupt",
      `The entropy-coded numbers are damaged: ${what}. Use another copy of the file.`,
    );
  if (bytes.length < symbols) throw broken("they are truncated");
  const table = decodingTable(bytes.subarray(0, symbols), longestWord);
  const stream = bytes.subarray(symbols);
  const out = new Uint8Array(size);
  let [held, count, next] = [0, 0, 0];
  for (let i = 0; i < size; i++) {
    while (count < longestWord) {
      // Zeros follow the last byte; reading them is detected below.
      held = ((held << 8) | (stream[next++] ?? 0)) & 0xfffff;
      count += 8;
    }
    const found = table[(held >>> (count - longestWord)) & 0xfff]!;
    if (found < 256) throw broken("a word is not in the code");
    count -= found >> 8;
    out[i] = found & 0xff;
  }
  if (Math.ceil((8 * next - count) / 8) !== stream.length)
    throw broken("they end before or after the stream");
  return out;
}
