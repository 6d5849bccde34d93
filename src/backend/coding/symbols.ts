/** A prefix code of bytes: 256 word lengths of one byte each, then the stream, highest bit first. */
import { WorkbenchError } from "../../protocol/errors";
import { assignCanonicalCodes, computeCodeLengths, createDecodingTable, writeWords } from "./huffman";

const maxWordLength = 12;
const symbols = 256;

export function encodeSymbols(numbers: Uint8Array): Uint8Array {
  const counts = new Float64Array(symbols);
  for (const number of numbers) counts[number]!++;
  const lengths = computeCodeLengths(counts, maxWordLength);
  const codes = assignCanonicalCodes(lengths);
  const bits = counts.reduce((sum, count, symbol) => sum + count * lengths[symbol]!, 0);
  const bytes = new Uint8Array(symbols + Math.ceil(bits / 8));
  bytes.set(lengths);
  writeWords(bytes, symbols, numbers, { lengths, codes });
  return bytes;
}

/** Decodes `size` numbers. Throws `corrupt` if the stream does not contain exactly that many. */
export function decodeSymbols(bytes: Uint8Array, size: number): Uint8Array {
  const corruptError = (what: string) =>
    new WorkbenchError(
      "corrupt",
      `The entropy-coded numbers are damaged: ${what}. Use another copy of the file.`,
    );
  if (bytes.length < symbols) throw corruptError("they are truncated");
  const table = createDecodingTable(bytes.subarray(0, symbols), maxWordLength);
  const stream = bytes.subarray(symbols);
  const out = new Uint8Array(size);
  let [buffer, count, next] = [0, 0, 0];
  for (let i = 0; i < size; i++) {
    while (count < maxWordLength) {
      // Zeros follow the last byte; reading them is detected below.
      buffer = ((buffer << 8) | (stream[next++] ?? 0)) & 0xfffff;
      count += 8;
    }
    const entry = table[(buffer >>> (count - maxWordLength)) & 0xfff]!;
    if (entry < 256) throw corruptError("a word is not in the code");
    count -= entry >> 8;
    out[i] = entry & 0xff;
  }
  if (Math.ceil((8 * next - count) / 8) !== stream.length)
    throw corruptError("they end before or after the stream");
  return out;
}
