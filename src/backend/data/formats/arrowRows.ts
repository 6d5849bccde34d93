/** Rows of an Arrow file, in the IPC stream or file format, the wanted columns only, one record batch at a time. */
import { readFile } from "node:fs/promises";
import { CompressionType, Endianness, setCompressionCodec, tableFromIPC } from "@uwdata/flechette";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { type DataFile, throwIfCancelled } from "../files";
import { readByteChunks, type ReadContext } from "./decodedText";
import { decompressLz4Frame } from "./lz4";
import type { Row } from "./row";
import { decompressZstdBuffer } from "./zstd";

/** What one buffer can hold; a file is read whole. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

function refuseEncoding(): never {
  throw new Error("Arrow data is only read");
}
function withLengthLimit(decode: (bytes: Uint8Array, length: number) => Uint8Array) {
  return (bytes: Uint8Array, length: number): Uint8Array => {
    if (!(length >= 0 && length <= MAX_FILE_BYTES)) throw new Error(`a buffer declares ${length} bytes`);
    return decode(bytes, length);
  };
}
setCompressionCodec(CompressionType.LZ4_FRAME, {
  decode: withLengthLimit(decompressLz4Frame),
  encode: refuseEncoding,
});
setCompressionCodec(CompressionType.ZSTD, {
  decode: withLengthLimit(decompressZstdBuffer),
  encode: refuseEncoding,
});

/** `selectColumns` picks the columns to read from those that the file has, or throws. */
export async function* readArrowRows(
  file: DataFile,
  selectColumns: (available: readonly string[]) => readonly string[],
  context: ReadContext,
): AsyncGenerator<Row> {
  const table = parse(await readWholeFile(file, context), file.path);
  const names = table.schema.fields.map(({ name }) => name);
  const columns = selectColumns(names).map((name) => ({ name, column: table.getChild(name) }));
  for (let row = 0; row < table.numRows; row++) {
    if (row % 1024 === 0) throwIfCancelled(context.signal);
    const values: Record<string, unknown> = {};
    for (const { name, column } of columns) values[name] = readValue(column, row, file.path);
    yield { values, where: `${file.path}, row ${row + 1}` };
  }
}

function readValue(column: { at(row: number): unknown }, row: number, file: string): unknown {
  try {
    return toPlainValue(column.at(row));
  } catch (cause) {
    return refuse(file, cause);
  }
}

/** Lists of any kind become arrays. */
function toPlainValue(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  if (isList) return Array.from(value as ArrayLike<unknown>, toPlainValue);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, toPlainValue(inner)]));
}

function parse(bytes: Uint8Array, file: string): ReturnType<typeof tableFromIPC> {
  try {
    const table = tableFromIPC(bytes, { useBigInt: true });
    if (table.schema.endianness === Endianness.Big) throw new Error("its numbers are big-endian");
    return table;
  } catch (cause) {
    return refuse(file, cause);
  }
}

async function readWholeFile(file: DataFile, context: ReadContext): Promise<Uint8Array> {
  const tooLarge = new WorkbenchError(
    "unsupported",
    `${file.path} has more than 2 GiB, and an Arrow file is read whole. Split it, or convert it to Parquet.`,
    { file: file.path },
  );
  if (file.bytes > MAX_FILE_BYTES) throw tooLarge;
  if (file.compression === undefined) {
    const bytes = await readFile(file.path).catch((thrown: unknown) => {
      throw toWorkbenchError(thrown);
    });
    context.report(bytes.length);
    return bytes;
  }
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of readByteChunks(file, context)) {
    parts.push(chunk);
    if ((size += chunk.length) > MAX_FILE_BYTES) throw tooLarge;
  }
  return Buffer.concat(parts);
}

function refuse(file: string, cause: unknown): never {
  const message = cause instanceof Error ? cause.message : String(cause);
  throw new WorkbenchError(
    "invalid-input",
    `${file} is not a readable Arrow file (${message}). Make or download it again, or set data.format.`,
    { file },
    { cause },
  );
}
