/** A stream of documents with a hash of everything that decides what is in it. */
import { createHash } from "node:crypto";
import path from "node:path";
import type { DataOptions } from "../../schema/experiment";
import { WorkbenchError } from "../../protocol/errors";
import { assertUnchanged, type DataFile, hashFile, throwIfCancelled } from "./files";
import { readDecodedText, type ReadContext } from "./formats/decodedText";
import { readParquetClassNames } from "./formats/parquetClassNames";
import { readPlainDocuments } from "./formats/plainText";
import type { Fragment } from "./pieces";
import { hasPairs } from "./preferencePairs";
import { createRowReader, type RowReader, trainsOnInputs } from "./rowDocuments";
import { RowFiles } from "./rowFiles";
import { type RowCounts, RowScreen } from "./rowScreen";

/** Raised whenever the same files and options give other documents than before. */
const READING = 2;

export interface Source {
  /** For messages: "12 files matching **\/*.ts". */
  readonly title: string;
  /** Equal keys give equal documents. */
  readonly key: string;
  /** What `report` will add up to, as far as it is known beforehand. */
  readonly bytes: number;
  /** Names of the numbers 0, 1, 2, … of a column, where the files themselves list them. */
  classNames?(column: string): Promise<readonly string[] | undefined>;
  fragments(context: SourceReading): AsyncGenerator<Fragment>;
  /** Throws when what was read need no longer be what the key was made from. */
  assertUnchanged(): Promise<void>;
}

export interface SourceReading extends ReadContext {
  /** Called at the end by a source of rows. */
  counted?(rows: RowCounts): void;
}

export interface SourceContext {
  readonly signal: AbortSignal | undefined;
  readonly temporaryFolder: string;
  progress(done: number, total: number, what: string): void;
}

export async function openFileSource(
  title: string,
  files: readonly DataFile[],
  options: DataOptions,
  context: SourceContext,
): Promise<Source> {
  const isRows = files.some((file) => file.format !== "text");
  const reader = isRows ? createRowReader(options) : undefined;
  const forRows = [
    ...(options.instruction_column === undefined && options.response_column === undefined
      ? []
      : ["instruction pairs"]),
    ...(options.label_column === undefined ? [] : ["labels"]),
    ...(options.conversation_column === undefined ? [] : ["conversations"]),
    ...(hasPairs(options) ? ["preference pairs"] : []),
    ...(options.clean_rows === "none" && options.drop_rows_containing.length === 0
      ? []
      : ["rows to clean or to drop"]),
    ...(options.where === undefined ? [] : ["data.where"]),
  ];
  if (reader === undefined && forRows.length > 0)
    throw new WorkbenchError(
      "invalid-input",
      `${title} is plain text, but ${forRows.join(" and ")} are read from JSONL, JSON, CSV, TSV, Parquet or Arrow. ` +
        "Set data.format, or leave out the options of data that are for rows.",
    );
  const limit = options.max_bytes ?? Infinity;
  const read = reader === undefined ? selectWithinLimit(files, limit) : files;
  const bytes = read.reduce((sum, file) => sum + file.bytes, 0);
  const hashes: unknown[] = [];
  let hashed = 0;
  for (const file of read) {
    throwIfCancelled(context.signal);
    const plain = file.format === "text" && file.compression === undefined;
    const hash = await hashFile(file.path, plain ? limit : Infinity, context.signal);
    hashes.push([hash, file.format, file.compression]);
    context.progress((hashed += file.bytes), bytes, "reading");
  }
  const deciding = reader && {
    text_column: options.text_column,
    instruction_column: options.instruction_column,
    input_column: options.input_column,
    response_column: options.response_column,
    template: options.template,
    train_on_inputs: trainsOnInputs(options),
    clean_rows: options.clean_rows,
    drop_rows_containing: options.drop_rows_containing,
    header: options.header,
    delimiter: options.delimiter,
    quoting: options.quoting,
    on_bad_rows: options.on_bad_rows,
    where: options.where,
    ...(options.conversation_column === undefined
      ? {}
      : { conversation_column: options.conversation_column }),
    ...(hasPairs(options)
      ? {
          prompt_column: options.prompt_column,
          chosen_column: options.chosen_column,
          rejected_column: options.rejected_column,
        }
      : {}),
    ...(options.label_column === undefined
      ? {}
      : {
          label_column: options.label_column,
          text_pair_column: options.text_pair_column,
          pair_separator: options.pair_separator,
        }),
  };
  return {
    title,
    key: computeHash([READING, hashes, deciding, options.encoding, options.max_bytes]),
    bytes,
    classNames: async (column) => {
      const [file] = read;
      return file?.format === "parquet" && file.compression === undefined
        ? readParquetClassNames(file.path, column)
        : undefined;
    },
    fragments: (reading) =>
      limitBytes(readDocuments(read, options, reader, context.temporaryFolder, reading), limit),
    assertUnchanged: () => assertUnchanged(read),
  };
}

async function* readDocuments(
  files: readonly DataFile[],
  options: DataOptions,
  reader: RowReader | undefined,
  temporaryFolder: string,
  context: SourceReading,
): AsyncGenerator<Fragment> {
  const screen = new RowScreen(options);
  const table = reader && new RowFiles(options, reader, screen, temporaryFolder);
  try {
    for (const file of files) {
      if (file.format === "text" || table === undefined) {
        yield* readPlainDocuments(readDecodedText(file, options.encoding, context));
        continue;
      }
      for await (const row of table.rows(file, context)) {
        const document = reader!.document(row, screen.onBadRow);
        const screened = document && screen.take(document);
        if (screened !== undefined) yield screened;
      }
    }
    table?.assertSeen();
  } finally {
    // Also when the consumer stops early.
    if (table !== undefined) context.counted?.(screen.counts);
  }
}

/** Of plain text files only as many as the limit reaches; compressed ones and rows hold an unknown amount of text. */
function selectWithinLimit(files: readonly DataFile[], limit: number): readonly DataFile[] {
  let bytes = 0;
  const first = files.findIndex((file) => file.compression !== undefined || (bytes += file.bytes) >= limit);
  return first < 0 || files[first]!.compression !== undefined ? files : files.slice(0, first + 1);
}

/** At most `limit` bytes of text: a document is cut at a character, a masked pair, a conversation or a preference pair is read whole or not at all. */
async function* limitBytes(fragments: AsyncIterable<Fragment>, limit: number): AsyncGenerator<Fragment> {
  let left = limit;
  for await (const fragment of fragments) {
    const bytes = Buffer.byteLength(fragment.text) + Buffer.byteLength(fragment.prompt ?? "");
    if (bytes <= left) {
      left -= bytes;
      yield fragment;
      continue;
    }
    const { prompt, label, conversation, preference } = fragment;
    if ([prompt, label, conversation, preference].every((part) => part === undefined)) {
      const cut = new TextDecoder("utf-8", { ignoreBOM: true }).decode(
        Buffer.from(fragment.text).subarray(0, left),
        { stream: true },
      );
      yield { text: cut, end: true };
    }
    return;
  }
}

export function formatNames(files: readonly DataFile[]): string {
  const names = files.slice(0, 3).map((file) => path.basename(file.path));
  return files.length > 3 ? `${files.length} files (${names.join(", ")}, …)` : names.join(", ");
}

export function computeHash(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
