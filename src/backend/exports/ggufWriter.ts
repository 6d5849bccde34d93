/**
 * Writes a GGUF file (version 3, little endian): metadata, descriptions of the tensors, then their blocks, one tensor after
 * the other. Source: ggml, `docs/gguf.md`.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { computeGgufBytes, type GgufTypeName, ggufTypes } from "../checkpoints/gguf/types";
import { type Shape, sizeOf } from "../graph/op";

export type GgufEntry = { readonly key: string } & (
  | { readonly type: "uint32" | "float32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "bools"; readonly value: readonly boolean[] }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "float32s" | "int32s"; readonly value: readonly number[] }
);

export interface GgufOutput {
  readonly name: string;
  /** [rows, columns] of a matrix, or the length of a vector. */
  readonly shape: Shape;
  readonly type: GgufTypeName;
  /** Returns the blocks. Called once, when the tensor is written. */
  readonly encode: () => Uint8Array;
}

const alignment = 32;
const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;
const listType = 9;
const scalarTypes = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8 } as const;

export function writeGguf(path: string, entries: readonly GgufEntry[], tensors: readonly GgufOutput[]): void {
  const parts: Buffer[] = [Buffer.from("GGUF"), uint32(3), uint64(tensors.length), uint64(entries.length)];
  for (const entry of entries) parts.push(string(entry.key), ...encodeEntry(entry));
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    parts.push(string(name), uint32(shape.length), ...shape.toReversed().map(uint64));
    parts.push(uint32(ggufTypes[type].id), uint64(offset));
    offset += align(computeGgufBytes(type, sizeOf(shape)));
  }
  const header = Buffer.concat(parts);
  const file = openSync(path, "w");
  try {
    writePadded(file, header);
    for (const { name, shape, type, encode } of tensors) {
      const bytes = encode();
      if (bytes.length !== computeGgufBytes(type, sizeOf(shape)))
        throw new Error(`${name} has ${bytes.length} bytes in ${type}.`);
      writePadded(file, bytes);
    }
  } finally {
    closeSync(file);
  }
}

function encodeEntry(entry: GgufEntry): Buffer[] {
  switch (entry.type) {
    case "uint32":
      return [uint32(scalarTypes.uint32), uint32(entry.value)];
    case "float32":
      return [uint32(scalarTypes.float32), float32(entry.value)];
    case "bool":
      return [uint32(scalarTypes.bool), bool(entry.value)];
    case "string":
      return [uint32(scalarTypes.string), string(entry.value)];
    case "bools":
      return encodeList(scalarTypes.bool, entry.value, bool);
    case "strings":
      return encodeList(scalarTypes.string, entry.value, string);
    case "float32s":
      return encodeList(scalarTypes.float32, entry.value, float32);
    case "int32s":
      return encodeList(scalarTypes.int32, entry.value, uint32);
  }
}

function encodeList<T>(type: number, values: readonly T[], encode: (value: T) => Buffer): Buffer[] {
  return [uint32(listType), uint32(type), uint64(values.length), ...values.map(encode)];
}

const bool = (value: boolean): Buffer => Buffer.of(value ? 1 : 0);

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function float32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

const chunkBytes = 64 * 2 ** 20;

function writePadded(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(file, bytes, done, Math.min(chunkBytes, bytes.length - done));
  const padding = align(bytes.length) - bytes.length;
  if (padding > 0) writeSync(file, new Uint8Array(padding));
}
