/**
 * Opens a GGUF file, the format of llama.cpp: metadata, descriptions of the tensors, then their blocks. Everything is checked
 * before a weight is read: types, sizes, and that each tensor is within the file. Source: ggml, `docs/gguf.md`.
 */
import { closeSync, fstatSync, openSync } from "node:fs";
import { WorkbenchError } from "../../protocol/errors";
import { decodeBlocks } from "../checkpoints/gguf/decodeBlocks";
import {
  computeGgufBytes,
  findGgufType,
  fitsBlocks,
  type GgufTypeName,
  ggufTypeNames,
  ggufTypes,
} from "../checkpoints/gguf/types";
import { readBytes } from "../checkpoints/readBytes";
import { type GgufMetadata, maxMetadataBytes, readGgufMetadata } from "../data/ggufMetadata";
import { refuseLfsPointer } from "../data/lfsPointer";
import { type Shape, sizeOf } from "../graph/op";

export interface GgufTensor {
  readonly name: string;
  /** [rows, columns] of a matrix, or the length of a vector: the reverse of the order in the file. */
  readonly shape: Shape;
  readonly type: GgufTypeName;
  readonly bytes: number;
}

export interface GgufFile extends Disposable {
  readonly metadata: GgufMetadata["entries"];
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Size of the file in bytes. */
  readonly size: number;
  /** Reads a tensor as float32. */
  read(name: string): Float32Array;
}

export function openGguf(path: string): GgufFile {
  refuseLfsPointer(path);
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const start = readBytes(file, 0, Math.min(size, maxMetadataBytes));
    const metadata = readGgufMetadata(path, start, (key) => !key.startsWith("tokenizer."));
    const { tensors, end } = readTensorList(path, start, metadata);
    const alignment = readAlignment(path, metadata);
    const data = Math.ceil(end / alignment) * alignment;
    const offsets = new Map<string, number>();
    for (const { name, offset, bytes } of tensors) {
      if (offset % alignment !== 0 || data + offset + bytes > size)
        throw corruptError(
          path,
          `${name} claims bytes ${offset} to ${offset + bytes} of its tensors, which are not within the file or not aligned`,
        );
      offsets.set(name, data + offset);
    }
    refuseOverlaps(path, tensors);
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    return {
      metadata: metadata.entries,
      tensors: byName,
      size,
      read: (name) => {
        const { type, bytes } = byName.get(name)!;
        return decodeBlocks(type, readBytes(file, offsets.get(name)!, bytes));
      },
      [Symbol.dispose]: () => closeSync(file),
    };
  } catch (thrown) {
    closeSync(file);
    throw thrown;
  }
}

/** Whether the file holds the tokenizer of its model. */
export function hasVocabulary(path: string): boolean {
  refuseLfsPointer(path);
  const file = openSync(path, "r");
  try {
    const start = readBytes(file, 0, Math.min(fstatSync(file).size, maxMetadataBytes));
    const model = readGgufMetadata(path, start, (key) => key === vocabularyKey).entries.get(vocabularyKey);
    return model !== undefined && model !== "none" && model !== "no_vocab";
  } finally {
    closeSync(file);
  }
}

const vocabularyKey = "tokenizer.ggml.model";

interface PlacedTensor extends GgufTensor {
  readonly offset: number;
}

/** A description has at least a length, a name, a number of sizes, one size, a type and an offset. */
const minDescription = 8 + 4 + 8 + 4 + 8;
/** Larger than any tensor. */
const maxElements = 2 ** 40;

function readTensorList(
  path: string,
  start: Buffer,
  { tensors: count, end: from }: GgufMetadata,
): { readonly tensors: readonly PlacedTensor[]; readonly end: number } {
  if (count * minDescription > start.length)
    throw corruptError(path, `it claims ${count} tensors, more than it has bytes for`);
  let at = from;
  const take = (length: number): number => {
    if (length > start.length - at) throw corruptError(path, "the descriptions of its tensors end too early");
    at += length;
    return at - length;
  };
  const takeSize = (what: string): number => {
    const value = start.readBigUInt64LE(take(8));
    if (value > BigInt(maxElements)) throw corruptError(path, `${what} is ${value}`);
    return Number(value);
  };
  const tensors: PlacedTensor[] = [];
  const names = new Set<string>();
  for (let left = count; left > 0; left--) {
    const length = takeSize("the length of a tensor's name");
    const nameFrom = take(length);
    const name = start.toString("utf8", nameFrom, nameFrom + length);
    if (names.has(name)) throw corruptError(path, `it has two tensors ${name}`);
    names.add(name);
    const dimensions = start.readUInt32LE(take(4));
    if (dimensions < 1 || dimensions > 4) throw corruptError(path, `${name} has ${dimensions} dimensions`);
    const sizes = Array.from({ length: dimensions }, () => takeSize(`a size of ${name}`));
    const id = start.readUInt32LE(take(4));
    const type = findGgufType(id);
    if (type === undefined)
      throw new WorkbenchError(
        "unsupported",
        `${path}: ${name} is stored as type ${id} of GGUF, which is not supported. Supported types: ${ggufTypeNames.map((each) => `${each} (${ggufTypes[each].id})`).join(", ")}. Convert the model to one of them, or use its Hugging Face folder.`,
      );
    const elements = sizeOf(sizes);
    if (elements > maxElements || elements < 1 || !fitsBlocks(type, sizes[0]!))
      throw corruptError(
        path,
        `${name} has the sizes ${sizes.join(" × ")}, which are not possible in ${type}`,
      );
    const offset = takeSize(`the offset of ${name}`);
    const shape = dimensions === 1 ? sizes : sizes.toReversed();
    tensors.push({ name, shape, type, bytes: computeGgufBytes(type, elements), offset });
  }
  return { tensors, end: at };
}

function readAlignment(path: string, { entries }: GgufMetadata): number {
  const alignment = entries.get("general.alignment") ?? 32;
  if (typeof alignment === "number" && alignment >= 8 && alignment <= 2 ** 20 && alignment % 8 === 0)
    return alignment;
  throw corruptError(path, `general.alignment is ${String(alignment)}`);
}

function refuseOverlaps(path: string, tensors: readonly PlacedTensor[]): void {
  let [last, end] = ["", 0];
  for (const { name, offset, bytes } of tensors.toSorted((a, b) => a.offset - b.offset)) {
    if (offset < end) throw corruptError(path, `${last} and ${name} claim the same bytes`);
    [last, end] = [name, offset + bytes];
  }
}

function corruptError(path: string, what: string): WorkbenchError {
  return new WorkbenchError(
    "corrupt",
    `${path} is not a valid GGUF file: ${what}. Use another copy of the file.`,
  );
}
