/** Rows of a Parquet file, the wanted columns only, one row group at a time. */
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { type DataFile, throwIfCancelled } from "../files";
import { readByteChunks, type ReadContext } from "./decodedText";
import type { Row } from "./row";

/** `selectColumns` picks the columns to read from those that the file has, or throws. */
export async function* readParquetRows(
  file: DataFile,
  selectColumns: (available: readonly string[]) => readonly string[],
  temporaryFolder: string,
  context: ReadContext,
): AsyncGenerator<Row> {
  if (file.compression === undefined) {
    yield* readRowGroups(file.path, file, selectColumns, context);
    return;
  }
  // Parquet is read from its end, so a compressed file is decompressed to a temporary one first.
  await mkdir(temporaryFolder, { recursive: true });
  const plain = path.join(temporaryFolder, `${process.pid}-${randomBytes(4).toString("hex")}.parquet.tmp`);
  try {
    await pipeline(Readable.from(readByteChunks(file, context)), createWriteStream(plain, { flags: "wx" }));
    yield* readRowGroups(plain, file, selectColumns, { ...context, report: () => undefined });
  } finally {
    await rm(plain, { force: true });
  }
}

async function* readRowGroups(
  source: string,
  { path: name, bytes }: DataFile,
  selectColumns: (available: readonly string[]) => readonly string[],
  context: ReadContext,
): AsyncGenerator<Row> {
  const buffer = await asyncBufferFromFile(source);
  const metadata: FileMetaData = await parquetMetadataAsync(buffer).catch(refuse(name));
  const columns = [...selectColumns(parquetSchema(metadata).children.map((child) => child.element.name))];
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    throwIfCancelled(context.signal);
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await parquetReadObjects({
      file: buffer,
      metadata,
      columns,
      compressors,
      rowStart,
      rowEnd,
    }).catch(refuse(name));
    for (const [i, values] of rows.entries()) yield { values, where: `${name}, row ${rowStart + i + 1}` };
    rowStart = rowEnd;
    context.report(bytes / metadata.row_groups.length);
  }
}

function refuse(file: string) {
  return (cause: unknown): never => {
    if (typeof (cause as { code?: unknown }).code === "string") throw toWorkbenchError(cause);
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new WorkbenchError(
      "invalid-input",
      `${file} is not a readable Parquet file (${message}). Make or download it again, or set \`format\`.`,
      { file },
      { cause },
    );
  };
}
