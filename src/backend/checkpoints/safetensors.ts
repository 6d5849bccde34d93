/**
 * The safetensors format: header length in eight bytes, a JSON header, then the bytes of the tensors. Reading validates
 * everything: the size of the header is limited, every offset must be within the file, and the tensors must cover it exactly.
 */
import { closeSync, fstatSync, openSync, type Stats, writeSync } from "node:fs";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { sizeOf, type Shape } from "../graph/op";
import { computeByteSize, getWidener, isKnownDtype, narrowIntegers } from "./dtypes";
import { narrow, type StoredDtype } from "./halfPrecision";
import { LazyTensor, smallestLazyBytes, type TensorValues } from "./lazyTensor";
import { chunkBytes, readBytes } from "./readBytes";

/** A tensor on the host. Booleans are bytes of 0 and 1; other bytes are marked as such and are not written to files. */
export interface HostTensor {
  readonly shape: Shape;
  readonly dtype?: "uint8";
  readonly data: TensorValues;
}
export type HostTensors = ReadonlyMap<string, HostTensor>;

/** What can be written to a file: also words without a sign, which are not read. */
export type FileTensor = HostTensor | { readonly shape: Shape; readonly data: Uint32Array };
export type FileTensors = ReadonlyMap<string, FileTensor>;

const maxHeaderBytes = 100 * 2 ** 20;
/** Half-precision numbers that are converted at a time, so that no second copy of a tensor is needed. */
const elementsAtOnce = 2 ** 21;

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});
const metadataSchema = z.record(z.string(), z.string());

/** Size in bytes of a tensor in a file that stores floating-point numbers as `dtype`. */
export function computeStoredBytes(tensor: FileTensor, dtype: StoredDtype): number {
  return computeByteSize(getFileDtype(tensor, dtype), sizeOf(tensor.shape))!;
}

function getFileDtype(tensor: FileTensor, dtype: StoredDtype): string {
  if (tensor.data instanceof Uint32Array) return "U32";
  const type = dtypeOf(tensor as HostTensor);
  return fileDtypes[type === "float32" ? dtype : type];
}

/** Writes tensors to an open file in the order of the map, with floating-point numbers as `dtype`. Does not copy whole tensors. */
export function writeSafetensors(
  path: string,
  tensors: FileTensors,
  metadata: Readonly<Record<string, string>> = {},
  dtype: StoredDtype = "float32",
): void {
  let offset = 0;
  const header: [string, unknown][] = [["__metadata__", { format: "pt", ...metadata }]];
  for (const [name, tensor] of tensors) {
    const end = offset + computeStoredBytes(tensor, dtype);
    const type = getFileDtype(tensor, dtype);
    header.push([name, { dtype: type, shape: tensor.shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  let text = JSON.stringify(Object.fromEntries(header));
  text += " ".repeat((8 - (Buffer.byteLength(text) % 8)) % 8); // Aligns tensors to eight bytes.
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  const file = openSync(path, "w");
  try {
    writeAll(file, prefix);
    writeAll(file, Buffer.from(text));
    for (const tensor of tensors.values()) {
      const { data } = tensor;
      if (!(data instanceof Float32Array) || dtype === "float32") writeAll(file, asBytes(data));
      else
        for (let from = 0; from < data.length; from += elementsAtOnce)
          writeAll(file, asBytes(narrow(data.subarray(from, from + elementsAtOnce), dtype)));
    }
  } finally {
    closeSync(file);
  }
}

function asBytes({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

export interface SafetensorsFile {
  readonly tensors: HostTensors;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads every tensor; floating-point types become float32. */
export function readSafetensors(path: string): SafetensorsFile {
  return withOpenFile(path, (file) => ({
    tensors: new Map(
      file.entries.map((entry) => [
        entry.name,
        { shape: entry.shape, data: decodeChecked(path, entry, file) },
      ]),
    ),
    metadata: file.metadata,
  }));
}

/** Like `readSafetensors`, but large tensors are read from the file when they are used, which must not change until then. */
export function readLazily(path: string): SafetensorsFile {
  return withOpenFile(path, (file) => ({
    tensors: new Map(file.entries.map((entry) => [entry.name, createTensor(path, entry, file)])),
    metadata: file.metadata,
  }));
}

function createTensor(path: string, entry: Entry, file: OpenFile): HostTensor {
  const { shape } = entry;
  if (entry.end - entry.start < smallestLazyBytes) return { shape, data: decodeChecked(path, entry, file) };
  const again = { read: file.readAgain, corruptError: file.corruptError };
  return new LazyTensor(shape, findHostType(path, entry), () => decodeChecked(path, entry, again));
}

function decodeChecked(
  path: string,
  entry: Entry,
  { read, corruptError }: Pick<OpenFile, "read" | "corruptError">,
): TensorValues {
  const data = decode(path, entry, read);
  if (entry.dtype === "BOOL" && (data as Uint8Array).some((each) => each > 1))
    throw corruptError(`${entry.name} is boolean, but has bytes other than 0 and 1`);
  return data;
}

/** Size of each tensor in bytes, without reading the tensors. */
export function readTensorSizes(path: string): ReadonlyMap<string, number> {
  return withOpenFile(
    path,
    ({ entries }) => new Map(entries.map(({ name, start, end }) => [name, end - start])),
  );
}

/** A file whose tensors are read on demand. It stays open, so that the checked file is the one that is read. */
export interface TensorFile extends Disposable {
  readonly metadata: Readonly<Record<string, string>>;
  readonly shapes: ReadonlyMap<string, Shape>;
  /** Type of each tensor in the file, as named by the format. */
  readonly dtypes: ReadonlyMap<string, string>;
  /** Size of a tensor in bytes; 0 for an unknown name. */
  tensorBytes(name: string): number;
  /** Reads elements `from` (inclusive) to `to` (exclusive), by default all; clamped to the last element. */
  read(name: string, from?: number, to?: number): HostTensor["data"];
  /** A tensor that remains usable after the file is closed. Large ones are read again from the file when they are used. */
  getTensor(name: string): HostTensor;
}

export function openTensors(path: string): TensorFile {
  const file = openFile(path);
  const entries = new Map(file.entries.map((entry) => [entry.name, entry]));
  const findEntry = (name: string): Entry => {
    const entry = entries.get(name);
    if (entry === undefined) throw new Error(`${path} has no tensor ${name}.`);
    return entry;
  };
  return {
    metadata: file.metadata,
    shapes: new Map(file.entries.map(({ name, shape }) => [name, shape])),
    dtypes: new Map(file.entries.map(({ name, dtype }) => [name, dtype])),
    tensorBytes: (name) => {
      const entry = entries.get(name);
      return entry === undefined ? 0 : entry.end - entry.start;
    },
    read: (name, from = 0, to) => {
      const entry = findEntry(name);
      const size = sizeOf(entry.shape);
      return decode(path, entry, file.read, Math.min(from, size), Math.min(to ?? size, size));
    },
    getTensor: (name) => createTensor(path, findEntry(name), file),
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

interface Entry {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: string;
  readonly start: number;
  readonly end: number;
}

interface Header {
  /** In order of their bytes. */
  readonly entries: readonly Entry[];
  readonly metadata: Readonly<Record<string, string>>;
}

type ReadBytes = (start: number, length: number) => Buffer<ArrayBuffer>;

interface OpenFile extends Header, Disposable {
  /** Reads bytes of the section with the tensors. */
  readonly read: ReadBytes;
  /** Opens the file for a moment after it was closed, and reads the same bytes. Throws if it is another file now. */
  readonly readAgain: ReadBytes;
  readonly corruptError: (what: string) => WorkbenchError;
}

function withOpenFile<T>(path: string, use: (file: OpenFile) => T): T {
  using file = openFile(path);
  return use(file);
}

function openFile(path: string): OpenFile {
  const file = openSync(path, "r");
  try {
    const opened = fstatSync(file);
    const { size } = opened;
    const corruptError = (what: string) =>
      new WorkbenchError(
        "corrupt",
        `${path} is not a valid safetensors file: ${what}. Use another copy of the file.`,
      );
    if (size < 8) throw corruptError(`it has only ${size} bytes`);
    const length = Number(readBytes(file, 0, 8).readBigUInt64LE());
    if (length > maxHeaderBytes || 8 + length > size)
      throw corruptError(
        `its header length is ${length} bytes, but the file has ${size}. It is truncated or not a safetensors file`,
      );
    const { entries, metadata } = parseHeader(readBytes(file, 8, length).toString("utf8"), corruptError);
    let expected = 0;
    for (const { name, dtype, shape, start, end } of entries) {
      if (!isKnownDtype(dtype)) throw corruptError(`${name} is ${dtype}, which the format does not have`);
      const bytes = computeByteSize(dtype, sizeOf(shape));
      if (start !== expected || end - start !== bytes || 8 + length + end > size)
        throw corruptError(
          `${name} ([${shape.join(", ")}] ${dtype}) claims bytes ${start} to ${end}, which do not fit its shape or the file`,
        );
      expected = end;
    }
    if (8 + length + expected !== size)
      throw corruptError(`${size - 8 - length - expected} bytes do not belong to any tensor`);
    return {
      entries,
      metadata,
      corruptError,
      read: (start, bytes) => readBytes(file, 8 + length + start, bytes),
      readAgain: (start, bytes) => {
        const again = openAgain(path, opened);
        try {
          return readBytes(again, 8 + length + start, bytes);
        } finally {
          closeSync(again);
        }
      },
      [Symbol.dispose]: () => closeSync(file),
    };
  } catch (thrown) {
    closeSync(file);
    throw thrown;
  }
}

/** Opens a file that was closed. Throws `corrupt` if it has been replaced, changed or removed since. */
function openAgain(path: string, { size, mtimeMs, ino }: Stats): number {
  const changed = (what: string, cause?: unknown) =>
    new WorkbenchError(
      "corrupt",
      `${path} ${what} while its weights were in use. Keep the file until the work on it is done, and start again.`,
      {},
      { cause },
    );
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    throw changed("can no longer be opened", cause);
  }
  const now = fstatSync(file);
  if (now.size === size && now.mtimeMs === mtimeMs && now.ino === ino) return file;
  closeSync(file);
  throw changed("has changed");
}

/** Returns entries instead of properties, because a tensor may have any name, including `__proto__`. */
function parseHeader(text: string, corruptError: (what: string) => WorkbenchError): Header {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw corruptError(`its header is not valid JSON (${(cause as Error).message})`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw corruptError("its header is not a JSON object");
  const check = <S>(schema: z.ZodType<S>, name: string, value: unknown): S => {
    const { data, error } = schema.safeParse(value);
    if (error !== undefined)
      throw corruptError(`its header has an invalid entry ${name}: ${z.prettifyError(error)}`);
    return data;
  };
  const all = Object.entries(parsed as Record<string, unknown>);
  const entries = all.flatMap(([name, value]) => {
    if (name === "__metadata__") return [];
    const { dtype, shape, data_offsets: offsets } = check(entrySchema, name, value);
    return [{ name, dtype, shape, start: offsets[0], end: offsets[1] }];
  });
  // JSON.parse silently keeps only the last of duplicate names.
  if (countNames(text) !== all.length) throw corruptError("its header has a duplicate name");
  const metadata = all.find(([name]) => name === "__metadata__")?.[1] ?? {};
  return {
    entries: entries.sort((a, b) => a.start - b.start || a.end - b.end),
    metadata: check(metadataSchema, "__metadata__", metadata),
  };
}

/** Counts the names in the outermost object of a JSON text whose values are all objects. */
function countNames(text: string): number {
  let depth = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === "{") depth++;
    else if (character === "}") depth--;
    else if (character === '"') {
      if (depth === 1) count++;
      for (i++; text[i] !== '"'; i++) if (text[i] === "\\") i++;
    }
  }
  return count;
}

/** The type of a tensor in a graph. */
export function dtypeOf(tensor: HostTensor): LazyTensor["type"] {
  if (tensor instanceof LazyTensor) return tensor.type;
  const { data } = tensor;
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Int32Array) return "int32";
  return data instanceof Int8Array ? "int8" : "bool";
}
const fileDtypes = {
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  int32: "I32",
  int8: "I8",
  bool: "BOOL",
} as const;

/** The type of the values that `decode` returns. */
function findHostType(path: string, { name, dtype }: Entry): LazyTensor["type"] {
  if (dtype === "I32" || dtype === "I64") return "int32";
  if (dtype === "I8") return "int8";
  if (dtype === "BOOL" || dtype === "U8") return "bool";
  if (dtype !== "F32" && getWidener(dtype) === undefined) throw createTypeError(path, name, dtype);
  return "float32";
}

const createTypeError = (path: string, name: string, dtype: string) =>
  new WorkbenchError(
    "unsupported",
    `Unsupported type ${dtype} of ${name} in ${path}. Save the model in float32, float16 or bfloat16.`,
  );

/** Decodes elements `from` (inclusive) to `to` (exclusive) of a tensor. */
function decode(
  path: string,
  { name, dtype, shape, start }: Entry,
  read: ReadBytes,
  from = 0,
  to = sizeOf(shape),
): HostTensor["data"] {
  const part = (begin: number, end: number) => {
    const offset = computeByteSize(dtype, begin)!;
    return read(start + offset, computeByteSize(dtype, end)! - offset);
  };
  switch (dtype) {
    case "F32":
      return new Float32Array(part(from, to).buffer);
    case "I32":
      return new Int32Array(part(from, to).buffer);
    case "I64":
      return narrowIntegers(path, name, new BigInt64Array(part(from, to).buffer));
    case "I8":
      return new Int8Array(part(from, to).buffer);
    case "BOOL":
    case "U8":
      return new Uint8Array(part(from, to).buffer);
  }
  const widen = getWidener(dtype);
  if (widen === undefined) throw createTypeError(path, name, dtype);
  const out = new Float32Array(to - from);
  for (let at = from; at < to; at += elementsAtOnce)
    widen(out, at - from, part(at, Math.min(at + elementsAtOnce, to)));
  return out;
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(file, bytes, done, Math.min(chunkBytes, bytes.length - done));
}
