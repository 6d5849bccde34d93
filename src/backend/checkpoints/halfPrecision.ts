/** Conversion between float32 and float16 (IEEE 754 binary16) or bfloat16. Widening is exact; narrowing rounds to nearest, ties to even. */

/** Types in which weights are written to a file. */
export const storedDtypes = ["float32", "float16", "bfloat16"] as const;
export type StoredDtype = (typeof storedDtypes)[number];
type HalfDtype = Exclude<StoredDtype, "float32">;

/** The largest finite number of each type; larger values round to infinity. */
export const largest: Readonly<Record<StoredDtype, number>> = {
  float32: 3.4028234663852886e38,
  float16: 65504,
  bfloat16: 3.3895313892515355e38,
};

let table: Float32Array | undefined;
/** Computes a table of all 65,536 patterns; converting numbers one by one is ten times slower. */
const createHalfTable = (): Float32Array =>
  (table ??= Float32Array.from({ length: 2 ** 16 }, (_, half) => decodeHalf(half)));

/** Converts `words` to float32 and writes them to `out`, starting at `at`. */
export function widenInto(out: Float32Array, at: number, words: Uint16Array, dtype: HalfDtype): void {
  if (dtype === "bfloat16") {
    const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < words.length; i++) bits[at + i] = words[i]! << 16;
    return;
  }
  const numbers = createHalfTable();
  for (let i = 0; i < words.length; i++) out[at + i] = numbers[words[i]!]!;
}

export function narrow(data: Float32Array, dtype: HalfDtype): Uint16Array {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  return Uint16Array.from(bits, dtype === "bfloat16" ? toBfloat : toHalf);
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The float16 pattern of one number. */
export function encodeHalf(value: number): number {
  scratch[0] = value;
  return toHalf(scratchBits[0]!);
}

/** The number of a float16 pattern. */
export function decodeHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function toBfloat(bits: number): number {
  // A NaN keeps its upper bits and stays a NaN.
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function toHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // Values from halfway between the largest number and the next power of two round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rebased = magnitude - 0x38000000; // Exponents of 127 become exponents of 15.
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  // Below 2^-14 a half is a multiple of 2^-24.
  const exponent = magnitude >>> 23;
  if (exponent < 102) return sign;
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent;
  const truncated = fraction >>> shift;
  const rest = fraction - truncated * 2 ** shift;
  const half = 2 ** (shift - 1);
  return sign | (rest > half || (rest === half && (truncated & 1) === 1) ? truncated + 1 : truncated);
}
