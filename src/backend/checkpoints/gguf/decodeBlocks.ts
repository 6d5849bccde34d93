/**
 * Converts the blocks of GGUF tensors to float32. The results equal those of ggml and of the package `gguf` bit for bit.
 * `d` is the scale of a block, `m` its minimum; both are float16. Source: ggml, `ggml-quants.c`, `dequantize_row_*`.
 */
import { decodeHalf, widenInto } from "../halfPrecision";
import { ggufTypes, type GgufTypeName } from "./types";

/** Writes one block, which begins at byte `from`, to `out`, starting at `at`. */
type DecodeBlock = (bytes: Uint8Array, from: number, out: Float32Array, at: number) => void;

/** Half of the elements of a block of 32. */
const half = 16;

const readHalf = (bytes: Uint8Array, at: number): number => decodeHalf(bytes[at]! | (bytes[at + 1]! << 8));
const readSigned = (bytes: Uint8Array, at: number): number => (bytes[at]! << 24) >> 24;

/** Codes of four bits: the low halves of 16 bytes are the first 16 elements. `fifth` points to a fifth bit for each element. */
function decodeNibbles(
  toValue: (code: number) => number,
  { bytes, codes, fifth }: { readonly bytes: Uint8Array; readonly codes: number; readonly fifth?: number },
  out: Float32Array,
  at: number,
): void {
  const high = (element: number) =>
    fifth === undefined ? 0 : ((bytes[fifth + (element >> 3)]! >> (element & 7)) & 1) << 4;
  for (let i = 0; i < half; i++) {
    const byte = bytes[codes + i]!;
    out[at + i] = toValue((byte & 15) | high(i));
    out[at + half + i] = toValue((byte >> 4) | high(half + i));
  }
}

/** The six-bit scale and minimum of sub-block `j` of eight, which are packed in twelve bytes. */
export function readScaleAndMin(
  bytes: Uint8Array,
  from: number,
  j: number,
): readonly [scale: number, min: number] {
  const byte = (i: number) => bytes[from + i]!;
  if (j < 4) return [byte(j) & 63, byte(j + 4) & 63];
  return [(byte(j + 4) & 15) | ((byte(j - 4) >> 6) << 4), (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4)];
}

/** Q4_K and Q5_K: eight sub-blocks of 32, two in the halves of 32 bytes. `fifth` points to the fifth bits. */
function decodeScaledSubBlocks(
  bytes: Uint8Array,
  from: number,
  { codes, fifth }: { readonly codes: number; readonly fifth?: number },
  out: Float32Array,
  at: number,
): void {
  const [d, dMin] = [readHalf(bytes, from), readHalf(bytes, from + 2)];
  for (let j = 0; j < 8; j++) {
    const [scale, min] = readScaleAndMin(bytes, from + 4, j);
    for (let i = 0; i < 32; i++) {
      const byte = bytes[codes + 32 * (j >> 1) + i]!;
      const low = j % 2 === 0 ? byte & 15 : byte >> 4;
      const code = fifth === undefined ? low : low | (((bytes[fifth + i]! >> j) & 1) << 4);
      out[at + 32 * j + i] = d * scale * code - dMin * min;
    }
  }
}

const decoders: Readonly<Record<Exclude<GgufTypeName, "F32" | "F16" | "BF16">, DecodeBlock>> = {
  Q4_0: (bytes, from, out, at) => {
    const d = readHalf(bytes, from);
    decodeNibbles((code) => (code - 8) * d, { bytes, codes: from + 2 }, out, at);
  },
  Q4_1: (bytes, from, out, at) => {
    const [d, m] = [readHalf(bytes, from), readHalf(bytes, from + 2)];
    decodeNibbles((code) => code * d + m, { bytes, codes: from + 4 }, out, at);
  },
  Q5_0: (bytes, from, out, at) => {
    const d = readHalf(bytes, from);
    decodeNibbles((code) => (code - 16) * d, { bytes, codes: from + 6, fifth: from + 2 }, out, at);
  },
  Q5_1: (bytes, from, out, at) => {
    const [d, m] = [readHalf(bytes, from), readHalf(bytes, from + 2)];
    decodeNibbles((code) => code * d + m, { bytes, codes: from + 8, fifth: from + 4 }, out, at);
  },
  Q8_0: (bytes, from, out, at) => {
    const d = readHalf(bytes, from);
    for (let i = 0; i < 32; i++) out[at + i] = readSigned(bytes, from + 2 + i) * d;
  },
  Q4_K: (bytes, from, out, at) => decodeScaledSubBlocks(bytes, from, { codes: from + 16 }, out, at),
  Q5_K: (bytes, from, out, at) =>
    decodeScaledSubBlocks(bytes, from, { codes: from + 48, fifth: from + 16 }, out, at),
  Q6_K: (bytes, from, out, at) => {
    const d = readHalf(bytes, from + 208);
    for (let i = 0; i < 256; i++) {
      // Each half of a block has four runs of 32: two in the low halves of 64 bytes, two in the high ones.
      const [part, run, place] = [i >> 7, (i >> 5) & 3, i & 31];
      const low = bytes[from + 64 * part + 32 * (run & 1) + place]!;
      const high = (bytes[from + 128 + 32 * part + place]! >> (2 * run)) & 3;
      const code = ((run < 2 ? low & 15 : low >> 4) | (high << 4)) - 32;
      out[at + i] = d * readSigned(bytes, from + 192 + (i >> 4)) * code;
    }
  },
};

/** `bytes` are whole blocks with offset 0 in their buffer. Returns float32 for every element. */
export function decodeBlocks(type: GgufTypeName, bytes: Uint8Array<ArrayBuffer>): Float32Array {
  const { block, bytes: blockBytes } = ggufTypes[type];
  if (type === "F32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const blocks = bytes.length / blockBytes;
  const out = new Float32Array(blocks * block);
  if (type === "F16" || type === "BF16") {
    const words = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
    widenInto(out, 0, words, type === "F16" ? "float16" : "bfloat16");
    return out;
  }
  const decode = decoders[type];
  for (let i = 0; i < blocks; i++) decode(bytes, i * blockBytes, out, i * block);
  return out;
}
