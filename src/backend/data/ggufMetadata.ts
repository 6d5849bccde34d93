/**
 * Reads the metadata at the beginning of a GGUF file (versions 2 and 3), the format of llama.cpp. Every length is held
 * against the bytes that are there before anything is made of it. Source: ggml, `docs/gguf.md`.
 */
import { WorkbenchError } from "../../protocol/errors";

/** Metadata is looked for in this many bytes at the beginning of a file; the largest vocabularies need a third of it. */
export const maxMetadataBytes = 64 * 2 ** 20;

export type GgufScalar = number | boolean | string | bigint;

export interface GgufMetadata {
  readonly entries: ReadonlyMap<string, GgufScalar | readonly GgufScalar[]>;
  /** Number of tensors, whose descriptions follow the metadata. */
  readonly tensors: number;
  /** Bytes of the file up to the end of the metadata. */
  readonly end: number;
}

/** Bytes of each type of a value; 8 is a string, 9 a list. */
const widths: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};

/** `start` holds the beginning of the file, up to `maxMetadataBytes`. Values of keys that are not wanted are passed over. */
export function readGgufMetadata(
  id: string,
  start: Uint8Array,
  isWanted: (key: string) => boolean,
): GgufMetadata {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  const corruptError = (why: string): WorkbenchError =>
    new WorkbenchError(
      "invalid-input",
      `${id} is not a readable GGUF file: ${why}. Use another copy of the file, or the tokenizer.json of the same model.`,
    );
  let at = 0;
  const take = (length: number): number => {
    if (length > bytes.length - at)
      throw corruptError("its metadata ends too early, or is larger than any vocabulary");
    at += length;
    return at - length;
  };
  const count = (): number => {
    const value = bytes.readBigUInt64LE(take(8));
    // Whatever is counted has at least a byte.
    if (value > BigInt(bytes.length)) throw corruptError(`it claims ${value} entries or letters`);
    return Number(value);
  };
  const string = (): string => {
    const length = count();
    const from = take(length);
    return bytes.toString("utf8", from, from + length);
  };
  const scalar = (type: number): GgufScalar => {
    if (type === 8) return string();
    const width = widths[type];
    if (width === undefined) throw corruptError(`it has a value of type ${type}`);
    const from = take(width);
    switch (type) {
      case 0:
        return bytes.readUInt8(from);
      case 1:
        return bytes.readInt8(from);
      case 2:
        return bytes.readUInt16LE(from);
      case 3:
        return bytes.readInt16LE(from);
      case 4:
        return bytes.readUInt32LE(from);
      case 5:
        return bytes.readInt32LE(from);
      case 6:
        return bytes.readFloatLE(from);
      case 7:
        return bytes.readUInt8(from) !== 0;
      case 10:
        return bytes.readBigUInt64LE(from);
      case 11:
        return bytes.readBigInt64LE(from);
      default:
        return bytes.readDoubleLE(from);
    }
  };
  if (bytes.length < 24 || bytes.toString("latin1", 0, 4) !== "GGUF")
    throw corruptError("it does not begin with GGUF");
  const version = bytes.readUInt32LE(4);
  if (version !== 2 && version !== 3) throw corruptError(`it is of version ${version}, and read are 2 and 3`);
  at = 8;
  const tensors = count();
  const entries = new Map<string, GgufScalar | readonly GgufScalar[]>();
  for (let left = count(); left > 0; left--) {
    const key = string();
    const type = bytes.readUInt32LE(take(4));
    if (type !== 9) {
      const value = scalar(type);
      if (isWanted(key)) entries.set(key, value);
      continue;
    }
    const element = bytes.readUInt32LE(take(4));
    const length = count();
    const isKept = isWanted(key);
    const values: GgufScalar[] = [];
    for (let i = 0; i < length; i++) {
      const value = scalar(element);
      if (isKept) values.push(value);
    }
    if (isKept) entries.set(key, values);
  }
  return { entries, tensors, end: at };
}
