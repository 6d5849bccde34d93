/**
 * Converts float32 to the blocks of GGUF tensors. Q8_0 and Q4_0 equal ggml's reference functions bit for bit. Q4_K and Q6_K
 * fit each sub-block by a search over scales with weighted least squares, as ggml does.
 * Source: ggml, `ggml-quants.c`, `quantize_row_*_ref`.
 */
import { decodeHalf, encodeHalf, narrow } from "../halfPrecision";
import { ggufTypes, type GgufTypeName } from "./types";

/** The types that Lathe writes. */
export type WrittenType = Extract<GgufTypeName, "F32" | "F16" | "BF16" | "Q8_0" | "Q4_0" | "Q4_K" | "Q6_K">;

/** Encodes the block of `x` that begins at `at`, to bytes from `to`. */
type EncodeBlock = (x: Float32Array, at: number, bytes: Uint8Array, to: number) => void;

const { fround } = Math;
const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

export function writeHalf(bytes: Uint8Array, at: number, value: number): void {
  const bits = encodeHalf(value);
  bytes[at] = bits & 0xff;
  bytes[at + 1] = bits >> 8;
}
/** The number that a float16 of this value is. */
const roundToHalf = (value: number): number => decodeHalf(encodeHalf(value));

/** The element of largest magnitude with its sign; the first of equals. */
function findPeak(x: Float32Array, at: number, length: number): number {
  let peak = 0;
  for (let i = at; i < at + length; i++) if (Math.abs(x[i]!) > Math.abs(peak)) peak = x[i]!;
  return peak;
}

const encodeQ8: EncodeBlock = (x, at, bytes, to) => {
  const d = fround(Math.abs(findPeak(x, at, 32)) / 127);
  const inverse = d === 0 ? 0 : fround(1 / d);
  writeHalf(bytes, to, d);
  for (let i = 0; i < 32; i++) {
    const scaled = fround(x[at + i]! * inverse);
    // Halves are rounded away from zero.
    bytes[to + 2 + i] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
  }
};

/** The peak becomes the code −8, so that the whole range of codes is used on its side. */
const encodeQ4: EncodeBlock = (x, at, bytes, to) => {
  const d = fround(findPeak(x, at, 32) / -8);
  const inverse = d === 0 ? 0 : fround(1 / d);
  writeHalf(bytes, to, d);
  const code = (i: number) => clamp(Math.trunc(fround(x[at + i]! * inverse + 8.5)), 0, 15);
  for (let i = 0; i < 16; i++) bytes[to + 2 + i] = code(i) | (code(i + 16) << 4);
};

/** x ≈ scale · code − min with codes 0 to 15 and min ≥ 0. */
interface Range {
  readonly scale: number;
  readonly min: number;
}

const subBlock = 32;
const largestCode = 15;

/** Weights of the squared errors: large elements count more. */
function computeWeights(x: Float32Array, at: number): Float64Array {
  let squares = 0;
  for (let i = 0; i < subBlock; i++) squares += x[at + i]! ** 2;
  const typical = Math.sqrt(squares / subBlock);
  return Float64Array.from({ length: subBlock }, (_, i) => typical + Math.abs(x[at + i]!));
}

/** For each of 21 spacings of the codes, finds the best scale and minimum by least squares, and keeps the best of all. */
function fitRange(x: Float32Array, at: number): Range {
  const weights = computeWeights(x, at);
  let [low, high] = [0, x[at]!];
  for (let i = 0; i < subBlock; i++) {
    low = Math.min(low, x[at + i]!);
    high = Math.max(high, x[at + i]!);
  }
  if (high <= low) return { scale: 0, min: -low };
  const codes = new Float64Array(subBlock);
  let best: Range = { scale: (high - low) / largestCode, min: -low };
  let bestError = Infinity;
  for (let step = -1; step <= 20; step++) {
    // The first step keeps the whole range.
    const spacing = (largestCode + (step < 0 ? 0 : -1 + 0.1 * step)) / (high - low);
    let [w, wx, wl, wxl, wll] = [0, 0, 0, 0, 0];
    for (let i = 0; i < subBlock; i++) {
      const code = clamp(Math.round(spacing * (x[at + i]! - low)), 0, largestCode);
      const weight = weights[i]!;
      codes[i] = code;
      w += weight;
      wx += weight * x[at + i]!;
      wl += weight * code;
      wxl += weight * code * x[at + i]!;
      wll += weight * code * code;
    }
    const determinant = w * wll - wl * wl;
    if (determinant <= 0) continue;
    let scale = (w * wxl - wx * wl) / determinant;
    let offset = (wll * wx - wl * wxl) / determinant;
    if (offset > 0) [offset, scale] = [0, wxl / wll];
    let error = 0;
    for (let i = 0; i < subBlock; i++) error += weights[i]! * (scale * codes[i]! + offset - x[at + i]!) ** 2;
    if (error < bestError) [bestError, best] = [error, { scale, min: -offset }];
  }
  return best;
}

const encodeQ4K: EncodeBlock = (x, at, bytes, to) => {
  const ranges = Array.from({ length: 8 }, (_, j) => fitRange(x, at + subBlock * j));
  const steps = (values: readonly number[]) => {
    const d = Math.max(0, ...values) / 63;
    return { d, codes: values.map((value) => (d === 0 ? 0 : clamp(Math.round(value / d), 0, 63))) };
  };
  const scales = steps(ranges.map(({ scale }) => scale));
  const mins = steps(ranges.map(({ min }) => min));
  writeHalf(bytes, to, scales.d);
  writeHalf(bytes, to + 2, mins.d);
  for (let j = 0; j < 8; j++) {
    const [scale, min] = [scales.codes[j]!, mins.codes[j]!];
    if (j < 4) {
      bytes[to + 4 + j] = scale;
      bytes[to + 8 + j] = min;
    } else {
      bytes[to + 8 + j] = (scale & 15) | ((min & 15) << 4);
      bytes[to + j]! |= (scale >> 4) << 6;
      bytes[to + 4 + j]! |= (min >> 4) << 6;
    }
  }
  const [d, dMin] = [roundToHalf(scales.d), roundToHalf(mins.d)];
  for (let j = 0; j < 8; j++) {
    const [scale, min] = [d * scales.codes[j]!, dMin * mins.codes[j]!];
    for (let i = 0; i < subBlock; i++) {
      const value = x[at + subBlock * j + i]!;
      const code = scale === 0 ? 0 : clamp(Math.round((value + min) / scale), 0, largestCode);
      bytes[to + 16 + 32 * (j >> 1) + i]! |= code << (4 * (j & 1));
    }
  }
};

/** The scale s of least Σ x²·(s·code − x)² for 16 elements with codes −32 to 31; its sign is opposite to the peak's. */
function fitScale(x: Float32Array, at: number): number {
  const peak = findPeak(x, at, 16);
  if (peak === 0) return 0;
  let [best, bestGain] = [0, 0];
  for (let step = -9; step <= 9; step++) {
    const inverse = -(32 + 0.1 * step) / peak;
    let [wxl, wll] = [0, 0];
    for (let i = 0; i < 16; i++) {
      const value = x[at + i]!;
      const code = clamp(Math.round(inverse * value), -32, 31);
      wxl += value ** 3 * code;
      wll += (value * code) ** 2;
    }
    // The error that remains is the sum of the squares less this gain.
    const gain = wll === 0 ? 0 : wxl ** 2 / wll;
    if (gain > bestGain) [best, bestGain] = [wxl / wll, gain];
  }
  return best;
}

const encodeQ6K: EncodeBlock = (x, at, bytes, to) => {
  const scales = Float32Array.from({ length: 16 }, (_, j) => fitScale(x, at + 16 * j));
  const d = findPeak(scales, 0, 16) / -128;
  writeHalf(bytes, to + 208, d);
  const stored = roundToHalf(d);
  const codes = Array.from(scales, (scale) => (d === 0 ? 0 : clamp(Math.round(scale / d), -128, 127)));
  codes.forEach((code, j) => (bytes[to + 192 + j] = code));
  for (let i = 0; i < 256; i++) {
    const [part, run, place] = [i >> 7, (i >> 5) & 3, i & 31];
    const scale = stored * codes[i >> 4]!;
    const code = (scale === 0 ? 0 : clamp(Math.round(x[at + i]! / scale), -32, 31)) + 32;
    bytes[to + 64 * part + 32 * (run & 1) + place]! |= (code & 15) << (run < 2 ? 0 : 4);
    bytes[to + 128 + 32 * part + place]! |= (code >> 4) << (2 * run);
  }
};

const encoders: Readonly<Record<Exclude<WrittenType, "F32" | "F16" | "BF16">, EncodeBlock>> = {
  Q8_0: encodeQ8,
  Q4_0: encodeQ4,
  Q4_K: encodeQ4K,
  Q6_K: encodeQ6K,
};

/** `data` are whole blocks of finite numbers of at most 65,504. */
export function encodeBlocks(type: WrittenType, data: Float32Array): Uint8Array {
  if (type === "F32") return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (type === "F16" || type === "BF16")
    return new Uint8Array(narrow(data, type === "F16" ? "float16" : "bfloat16").buffer);
  const { block, bytes: blockBytes } = ggufTypes[type];
  const blocks = data.length / block;
  const bytes = new Uint8Array(blocks * blockBytes);
  const encode = encoders[type];
  for (let i = 0; i < blocks; i++) encode(data, i * block, bytes, i * blockBytes);
  return bytes;
}

/**
 * Stores symmetric codes [rows, columns] as they are: −8 to 7 in Q4_0, −128 to 127 in Q8_0. `scales` has one number for each
 * block of 32 codes, which is rounded to float16.
 */
export function encodeCodes(type: "Q8_0" | "Q4_0", codes: Int8Array, scales: Float32Array): Uint8Array {
  const { block, bytes: blockBytes } = ggufTypes[type];
  const bytes = new Uint8Array(scales.length * blockBytes);
  for (let i = 0; i < scales.length; i++) {
    const to = i * blockBytes;
    writeHalf(bytes, to, scales[i]!);
    const code = (place: number) => codes[i * block + place]!;
    if (type === "Q8_0") for (let place = 0; place < block; place++) bytes[to + 2 + place] = code(place);
    else
      for (let place = 0; place < 16; place++)
        bytes[to + 2 + place] = (code(place) + 8) | ((code(place + 16) + 8) << 4);
  }
  return bytes;
}
