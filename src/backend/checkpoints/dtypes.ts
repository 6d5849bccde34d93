/** The element types of the safetensors format: their sizes in bits, and conversion of floating-point types to float32. */
import { WorkbenchError } from "../../protocol/errors";
import { widenInto } from "./halfPrecision";

/** Bits per element of every type in the format. Types that are not read can still be skipped. */
const bits: ReadonlyMap<string, number> = new Map([
  ["F4", 4],
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
  ["BOOL", 8],
  ["U8", 8],
  ["I8", 8],
  ["F8_E4M3", 8],
  ["F8_E4M3FNUZ", 8],
  ["F8_E5M2", 8],
  ["F8_E5M2FNUZ", 8],
  ["F8_E8M0", 8],
  ["U16", 16],
  ["I16", 16],
  ["F16", 16],
  ["BF16", 16],
  ["U32", 32],
  ["I32", 32],
  ["F32", 32],
  ["U64", 64],
  ["I64", 64],
  ["F64", 64],
  ["C64", 64],
]);

/** Size of `elements` elements in bytes; undefined for an unknown type or a partial byte. */
export function computeByteSize(dtype: string, elements: number): number | undefined {
  const width = bits.get(dtype);
  if (width === undefined) return undefined;
  const bytes = (elements * width) / 8;
  return Number.isInteger(bytes) ? bytes : undefined;
}

export function isKnownDtype(dtype: string): boolean {
  return bits.has(dtype);
}

type Widen = (out: Float32Array, at: number, bytes: Buffer<ArrayBuffer>) => void;

/** Floating-point types that are read as float32. All conversions are exact except F64, which rounds to nearest. */
const wideners: Readonly<Record<string, Widen>> = {
  F16: (out, at, bytes) => widenInto(out, at, new Uint16Array(bytes.buffer), "float16"),
  BF16: (out, at, bytes) => widenInto(out, at, new Uint16Array(bytes.buffer), "bfloat16"),
  F64: (out, at, bytes) => out.set(new Float64Array(bytes.buffer), at),
  F8_E4M3: createByteWidener({ exponentBits: 4, bias: 7, special: "last" }),
  F8_E5M2: createByteWidener({ exponentBits: 5, bias: 15, special: "ieee" }),
  F8_E4M3FNUZ: createByteWidener({ exponentBits: 4, bias: 8, special: "negativeZero" }),
  F8_E5M2FNUZ: createByteWidener({ exponentBits: 5, bias: 16, special: "negativeZero" }),
  F8_E8M0: createTable((byte) => (byte === 0xff ? NaN : 2 ** (byte - 127))),
};

export function getWidener(dtype: string): Widen | undefined {
  return Object.hasOwn(wideners, dtype) ? wideners[dtype] : undefined;
}

/** Whether weights may be stored in this type. */
export function isFloat(dtype: string): boolean {
  return dtype === "F32" || getWidener(dtype) !== undefined;
}

/** The types in which weights may be stored, for messages. */
export const floatDtypes: readonly string[] = ["F32", ...Object.keys(wideners)];

interface ByteFloat {
  readonly exponentBits: number;
  readonly bias: number;
  /**
   * The patterns that are not finite: those with the largest exponent, as in IEEE 754; only all ones (`last`), as in OCP's
   * E4M3; or the pattern of minus zero, for types without it.
   */
  readonly special: "ieee" | "last" | "negativeZero";
}

/** Bits are the sign, the exponent and the fraction; numbers with exponent 0 are subnormal. */
function createByteWidener({ exponentBits, bias, special }: ByteFloat): Widen {
  const fractionBits = 7 - exponentBits;
  return createTable((byte) => {
    const sign = byte & 0x80 ? -1 : 1;
    const exponent = (byte & 0x7f) >> fractionBits;
    const fraction = (byte & (2 ** fractionBits - 1)) / 2 ** fractionBits;
    if (special === "negativeZero" && byte === 0x80) return NaN;
    if (special === "last" && (byte & 0x7f) === 0x7f) return NaN;
    if (special === "ieee" && exponent === 2 ** exponentBits - 1)
      return fraction === 0 ? sign * Infinity : NaN;
    return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
  });
}

function createTable(numberOf: (byte: number) => number): Widen {
  const numbers = Float32Array.from({ length: 256 }, (_, byte) => numberOf(byte));
  return (out, at, bytes) => {
    for (let i = 0; i < bytes.length; i++) out[at + i] = numbers[bytes[i]!]!;
  };
}

/** Integers of 64 bits, which hold sizes and places, as those of 32 bits. Throws `unsupported` for one that is too large. */
export function narrowIntegers(path: string, name: string, values: BigInt64Array): Int32Array {
  const narrow = Int32Array.from(values, Number);
  const at = values.findIndex((value, i) => value !== BigInt(narrow[i]!));
  if (at < 0) return narrow;
  throw new WorkbenchError(
    "unsupported",
    `${name} in ${path} has the number ${values[at]}, which is too large. Use another copy of the model.`,
  );
}
