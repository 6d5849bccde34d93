/**
 * The safetensors format: eight bytes of header length, a JSON header, then the tensors' bytes. Reading trusts nothing:
 * the header is capped, every offset has to fit the file, and together the tensors have to cover it.
 */
import { closeSync, openSync, readSync, fstatSync, writeSync } from "node:fs";
import { z } from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { sizeOf, type Shape } from "../graph/op";

/** A tensor on the host. Booleans are bytes of 0 and 1. */
export interface HostTensor {
  readonly shape: Shape;
  readonly data: Float32Array | Uint8Array | Int32Array;
}
export type HostTensors = ReadonlyMap<string, HostTensor>;

const maxHeaderBytes = 100 * 2 ** 20;
const chunkBytes = 64 * 2 ** 20;

const headerSchema = z.record(
  z.string(),
  z.object({
    dtype: z.string(),
    shape: z.array(z.int().min(0)),
    data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
  }),
);
const metadataSchema = z.record(z.string(), z.string());

/** Writes tensors in the order of the map to an open file; nothing is copied. */
export function writeSafetensors(
  path: string,
  tensors: HostTensors,
  metadata: Readonly<Record<string, string>> = {},
): void {
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: { format: "pt", ...metadata } };
  for (const [name, { shape, data }] of tensors) {
    const end = offset + data.byteLength;
    header[name] = { dtype: dtypeOf(data), shape, data_offsets: [offset, end] };
    offset = end;
  }
  let text = JSON.stringify(header);
  text += " ".repeat((8 - (Buffer.byteLength(text) % 8)) % 8); // Tensors start at a multiple of eight bytes.
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  const file = openSync(path, "w");
  try {
    writeAll(file, prefix);
    writeAll(file, Buffer.from(text));
    for (const { data } of tensors.values())
      writeAll(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  } finally {
    closeSync(file);
  }
}

export interface SafetensorsFile {
  readonly tensors: HostTensors;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads every tensor; float16 and bfloat16 widen to float32. */
export function readSafetensors(path: string): SafetensorsFile {
  return withHeader(path, ({ entries, metadata, read }) => {
    const decoded = entries.map(({ name, shape, dtype, start, end }): [string, HostTensor] => [
      name,
      { shape, data: decode(dtype, read(start, end - start)) },
    ]);
    return { tensors: new Map(decoded), metadata };
  });
}

/** Bytes of each tensor in the file, without reading any of them. */
export function readTensorSizes(path: string): ReadonlyMap<string, number> {
  return withHeader(
    path,
    ({ entries }) => new Map(entries.map(({ name, start, end }) => [name, end - start])),
  );
}

interface Header {
  readonly entries: readonly { name: string; shape: Shape; dtype: string; start: number; end: number }[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Bytes of the part that holds the tensors. */
  read(start: number, length: number): Buffer;
}

function withHeader<T>(path: string, use: (header: Header) => T): T {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const broken = (what: string) =>
      new WorkbenchError(
        "corrupt",
        `${path} is no usable safetensors file: ${what}. Use another copy of it.`,
      );
    if (size < 8) throw broken(`it has only ${size} bytes`);
    const length = Number(readBytes(file, 0, 8).readBigUInt64LE());
    if (length > maxHeaderBytes || 8 + length > size)
      throw broken(
        `its header claims ${length} bytes of a file of ${size}, so the file is cut short or not safetensors`,
      );
    let parsed: unknown;
    try {
      parsed = JSON.parse(readBytes(file, 8, length).toString("utf8"));
    } catch (cause) {
      throw broken(`its header is no JSON (${(cause as Error).message})`);
    }
    const { __metadata__: meta = {}, ...rest } = parsed as Record<string, unknown>;
    const metadata = metadataSchema.safeParse(meta);
    const header = headerSchema.safeParse(rest);
    if (!metadata.success || !header.success) throw broken("its header is not of the format's form");

    let expected = 0;
    const entries = Object.entries(header.data)
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [start, end],
          },
        ]) => ({ name, dtype, shape, start, end }),
      )
      .sort((a, b) => a.start - b.start);
    for (const { name, dtype, shape, start, end } of entries) {
      const width = widths[dtype];
      if (width === undefined)
        throw broken(`${name} is ${dtype}, which is not read; known: ${Object.keys(widths).join(", ")}`);
      if (start !== expected || end - start !== sizeOf(shape) * width || 8 + length + end > size)
        throw broken(
          `${name} ([${shape.join(", ")}] ${dtype}) claims bytes ${start} to ${end}, which do not fit its shape or the file`,
        );
      expected = end;
    }
    if (8 + length + expected !== size)
      throw broken(`${size - 8 - length - expected} bytes belong to no tensor`);
    return use({
      entries,
      metadata: metadata.data,
      read: (start, bytes) => readBytes(file, 8 + length + start, bytes),
    });
  } finally {
    closeSync(file);
  }
}

const widths: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2, BOOL: 1, U8: 1, I32: 4 };

function dtypeOf(data: HostTensor["data"]): string {
  return data instanceof Float32Array ? "F32" : data instanceof Int32Array ? "I32" : "BOOL";
}

function decode(dtype: string, bytes: Buffer): HostTensor["data"] {
  const words = () => new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  switch (dtype) {
    case "F32":
      return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    case "I32":
      return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    case "BF16": {
      const wide = Uint32Array.from(words(), (word) => word << 16);
      return new Float32Array(wide.buffer);
    }
    case "F16":
      return Float32Array.from(words(), halfToNumber);
    default:
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A buffer of its own, so that a typed array over it is aligned. */
function readBytes(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length;) {
    const got = readSync(file, bytes, done, Math.min(chunkBytes, length - done), position + done);
    if (got === 0) throw new WorkbenchError("corrupt", `The file ends ${length - done} bytes too early.`);
    done += got;
  }
  return bytes;
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(file, bytes, done, Math.min(chunkBytes, bytes.length - done));
}
