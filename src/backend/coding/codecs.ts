/**
 * Lossless codecs that store the numbers of a tensor in fewer bytes. They form a chain: selection of the values that a mask
 * keeps, low-bit or ternary integers, an entropy code. Conversion to a half type is the only lossy step and must be requested by name.
 */
import * as z from "zod";
import { narrow, widenInto } from "../checkpoints/halfPrecision";
import { encodeDFloat11, openDFloat11 } from "./dfloat11";
import { decodeSymbols, encodeSymbols } from "./symbols";

/** Type of the numbers between two steps. `half` are bit patterns of a half type, `bytes` the contents of a file. */
export type NumberType = "float32" | "int8" | "bool" | "half" | "bytes";
export type Numbers = Float32Array | Int8Array | Uint8Array | Uint16Array;

/** Type and count of the numbers at one position in a chain. */
export interface Stage {
  readonly type: NumberType;
  readonly size: number;
}

/** A step with its parameters, as stored in a file. */
export const stepSchema = z.discriminatedUnion("codec", [
  z.strictObject({ codec: z.literal("kept"), by: z.string() }),
  z.strictObject({
    codec: z.literal("integers"),
    bits: z.int().min(1).max(8),
    lowest: z.int().min(-128).max(0),
  }),
  z.strictObject({ codec: z.literal("ternary") }),
  z.strictObject({ codec: z.literal("half"), dtype: z.enum(["float16", "bfloat16"]) }),
  z.strictObject({ codec: z.literal("huffman"), bytes: z.int().min(0) }),
  z.strictObject({ codec: z.literal("dfloat11"), bytes: z.int().min(0) }),
]);
export type Step = z.output<typeof stepSchema>;

/** Returns a mask from the same file by name. */
export type MaskSource = (name: string) => Uint8Array;

interface Codec<S> {
  /** The output stage for an input stage; undefined if the codec does not accept it. */
  after(before: Stage, step: S, mask: MaskSource): Stage | undefined;
  encode(numbers: Numbers, step: S, mask: MaskSource): Numbers;
  decode(coded: Numbers, before: Stage, step: S, mask: MaskSource): Numbers;
}

const codecs: { readonly [K in Step["codec"]]: Codec<Extract<Step, { codec: K }>> } = {
  /** Selects the values that a mask keeps, in order. */
  kept: {
    after: ({ type, size }, { by }, mask) => {
      const maskData = mask(by);
      const isSupported = type === "float32" || type === "int8";
      return isSupported && maskData.length === size ? { type, size: countOnes(maskData) } : undefined;
    },
    encode: (numbers, { by }, mask) => {
      const maskData = mask(by);
      return (numbers as Float32Array | Int8Array).filter((_, i) => maskData[i] === 1);
    },
    decode: (coded, { type, size }, { by }, mask) => {
      const maskData = mask(by);
      const out = type === "int8" ? new Int8Array(size) : new Float32Array(size);
      for (let i = 0, next = 0; i < size; i++) if (maskData[i] === 1) out[i] = coded[next++]!;
      return out;
    },
  },

  /** Packs integers, starting from the lowest, in as few bits as possible, the first in the lowest bits. */
  integers: {
    after: ({ type, size }, { bits }) =>
      type === "int8" || type === "bool" ? { type: "bytes", size: Math.ceil((size * bits) / 8) } : undefined,
    encode: (numbers, { bits, lowest }) => {
      const out = new Uint8Array(Math.ceil((numbers.length * bits) / 8));
      let [buffer, count, at] = [0, 0, 0];
      for (const number of numbers) {
        const code = number - lowest;
        if (code < 0 || code >= 2 ** bits)
          throw new Error(`${number} is not an integer of ${bits} bits starting from ${lowest}.`);
        buffer |= code << count;
        count += bits;
        while (count >= 8) {
          out[at++] = buffer & 0xff;
          buffer >>>= 8;
          count -= 8;
        }
      }
      if (count > 0) out[at] = buffer;
      return out;
    },
    decode: (coded, { type, size }, { bits, lowest }) => {
      const out = type === "int8" ? new Int8Array(size) : new Uint8Array(size);
      const all = (1 << bits) - 1;
      let [buffer, count, at] = [0, 0, 0];
      for (let i = 0; i < size; i++) {
        if (count < bits) {
          buffer |= coded[at++]! << count;
          count += 8;
        }
        out[i] = (buffer & all) + lowest;
        buffer >>>= bits;
        count -= bits;
      }
      return out;
    },
  },

  /** Packs five of −1, 0 and 1 per byte, as the digits 0, 1 and 2 of a number to base 3, the first in the lowest digit. */
  ternary: {
    after: ({ type, size }) => (type === "int8" ? { type: "bytes", size: Math.ceil(size / 5) } : undefined),
    encode: (numbers) => {
      const out = new Uint8Array(Math.ceil(numbers.length / 5));
      for (let i = 0; i < numbers.length; i++) {
        const number = numbers[i]!;
        if (number !== -1 && number !== 0 && number !== 1) throw new Error(`${number} is not −1, 0 or 1.`);
        out[Math.floor(i / 5)]! += (number + 1) * 3 ** (i % 5);
      }
      return out;
    },
    decode: (coded, { size }) =>
      Int8Array.from(
        { length: size },
        (_, i) => (Math.floor(coded[Math.floor(i / 5)]! / 3 ** (i % 5)) % 3) - 1,
      ),
  },

  /** The only lossy step. */
  half: {
    after: ({ type, size }) => (type === "float32" ? { type: "half", size } : undefined),
    encode: (numbers, { dtype }) => narrow(numbers as Float32Array, dtype),
    decode: (coded, { size }, { dtype }) => {
      const out = new Float32Array(size);
      widenInto(out, 0, coded as Uint16Array, dtype);
      return out;
    },
  },

  /** A prefix code of the bytes. Words have at least one bit, so that a file cannot decode to more than eight times its size. */
  huffman: {
    after: ({ type, size }, { bytes }) =>
      (type === "int8" || type === "bool" || type === "bytes") && size <= 8 * bytes
        ? { type: "bytes", size: bytes }
        : undefined,
    encode: (numbers) => encodeSymbols(asBytes(numbers)),
    decode: (coded, { type, size }) => asNumbers(type, decodeSymbols(coded as Uint8Array, size)),
  },

  /** bfloat16 patterns. One byte of each is stored uncompressed, which limits the decoded size. */
  dfloat11: {
    after: ({ type, size }, { bytes }) =>
      type === "half" && size <= bytes ? { type: "bytes", size: bytes } : undefined,
    encode: (numbers) => encodeDFloat11(numbers as Uint16Array),
    decode: (coded, { size }) => {
      const bytes = coded as Uint8Array;
      return openDFloat11((from, to) => bytes.slice(from, to), bytes.length, size).read(0, size);
    },
  },
};

const getCodec = (step: Step) => codecs[step.codec] as unknown as Codec<Step>;

/** A chain and the bytes that it encodes. */
export interface EncodedChain {
  readonly steps: readonly Step[];
  readonly bytes: Uint8Array;
}

/** A step whose encoded length is not known yet. */
export type OpenStep = Step | { readonly codec: "huffman" | "dfloat11" };

export function encodeChain(numbers: Numbers, steps: readonly OpenStep[], mask: MaskSource): EncodedChain {
  const encodedSteps: Step[] = [];
  let current = numbers;
  for (const step of steps) {
    current = codecs[step.codec].encode(current, step as never, mask);
    encodedSteps.push(
      step.codec === "huffman" || step.codec === "dfloat11"
        ? { codec: step.codec, bytes: current.length }
        : (step as Step),
    );
  }
  return { steps: encodedSteps, bytes: asBytes(current) };
}

/** The stages from the tensor to the bytes; undefined if a step does not accept its input. */
export function computeStages(first: Stage, steps: readonly Step[], mask: MaskSource): Stage[] | undefined {
  const stages = [first];
  for (const step of steps) {
    const next = getCodec(step).after(stages.at(-1)!, step, mask);
    if (next === undefined) return undefined;
    stages.push(next);
  }
  return stages;
}

export function computeStageBytes({ type, size }: Stage): number {
  return size * (type === "float32" ? 4 : type === "half" ? 2 : 1);
}

/** Decodes a chain. `stages` are from `computeStages`, and `bytes` has the size of the last stage. */
export function decodeChain(
  bytes: Uint8Array,
  stages: readonly Stage[],
  steps: readonly Step[],
  mask: MaskSource,
): Numbers {
  let current = asNumbers(stages.at(-1)!.type, bytes);
  for (let i = steps.length - 1; i >= 0; i--)
    current = getCodec(steps[i]!).decode(current, stages[i]!, steps[i]!, mask);
  return current;
}

function countOnes(mask: Uint8Array): number {
  let count = 0;
  for (const each of mask) count += each;
  return count;
}

export function asBytes({ buffer, byteOffset, byteLength }: Numbers): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Little endian, like all supported machines. */
function asNumbers(type: NumberType, bytes: Uint8Array): Numbers {
  if (type === "bytes" || type === "bool") return bytes;
  const copy = bytes.slice(); // Copied to offset 0 of a buffer, so that wider numbers are aligned.
  if (type === "int8") return new Int8Array(copy.buffer);
  return type === "half" ? new Uint16Array(copy.buffer) : new Float32Array(copy.buffer);
}
