/**
 * Rows of CSV and TSV (RFC 4180, with line ends of any kind in one file), one at a time. Not csv-parse 7: it reads the same
 * rows, but with `skip_records_with_error` a field such as `"x"y`, or a quotation mark that is never closed, costs all rows
 * up to the next quotation mark or the end of the file. Here it costs one line.
 */
import { WorkbenchError } from "../../../protocol/errors";
import type { OnBadRow, Row } from "./row";

export interface Dialect {
  readonly delimiter: string;
  /** `unquoted` reads a quotation mark as a character, and refuses fields that are quoted as a whole. */
  readonly quoting: "standard" | "none" | "unquoted";
  /** Whether the first record names the columns. */
  readonly header: boolean;
}

/** Characters of one record, and of a field whose quotation mark is never closed. */
const MAX_RECORD_LENGTH = 1 << 26;

export async function* readDelimitedRows(
  chunks: AsyncIterable<string>,
  file: string,
  dialect: Dialect,
  onBadRow: OnBadRow,
  onColumns: (columns: readonly string[]) => void,
): AsyncGenerator<Row> {
  let names: readonly string[] | undefined;
  for await (const { fields, line, fault } of readRecords(chunks, dialect)) {
    const refuse = (what: string): WorkbenchError => malformedRecordError(file, line, what, dialect);
    if (fault !== undefined) {
      if (names === undefined) throw refuse(fault);
      onBadRow(refuse(fault));
      continue;
    }
    if (dialect.quoting === "unquoted") assertUnquoted(fields, dialect.delimiter, file, line);
    if (names === undefined) {
      names = dialect.header ? fields : fields.map((_, i) => String(i + 1));
      onColumns(names);
      if (dialect.header) continue;
    }
    if (fields.length !== names.length) {
      onBadRow(
        refuse(`it has ${formatFieldCount(fields.length)} where the first record has ${names.length}`),
      );
      continue;
    }
    // Without a prototype any name is a key, also `__proto__`.
    const values = Object.create(null) as Record<string, unknown>;
    for (let i = 0; i < names.length; i++) values[names[i]!] = fields[i];
    yield { values, where: `${file}:${line}` };
  }
}

function formatFieldCount(count: number): string {
  return count === 1 ? "1 field" : `${count} fields`;
}

function malformedRecordError(
  file: string,
  line: number,
  what: string,
  { delimiter }: Dialect,
): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `${file} is not ${delimiter === "\t" ? "TSV" : "CSV"} as expected in line ${line}: ${what}. Fix the row, or set data.quoting or data.delimiter to how the file is ` +
      "written; data.on_bad_rows: skip leaves such rows out.",
    { file, position: { file, line, column: 1 } },
  );
}

const wholeQuoted = /^"(?:[^"]|"")*"$/;

function assertUnquoted(fields: readonly string[], delimiter: string, file: string, line: number): void {
  const quoted = fields.find((field) => field.startsWith('"') && field.length > 1 && wholeQuoted.test(field));
  if (quoted === undefined) return;
  const format = delimiter === "\t" ? "TSV" : "the format";
  throw new WorkbenchError(
    "invalid-input",
    `${file}:${line} has the quoted field ${quoted.slice(0, 60)}, and ${format} does not define whether the quotation marks belong to ` +
      "the text. Set data.quoting to none (they do, as in GLUE) or to standard (they do not).",
    { file, position: { file, line, column: 1 } },
  );
}

interface ScanResult {
  readonly fields: readonly string[];
  /** What is wrong with the record, where it is malformed. */
  readonly fault?: string;
  /** Start of what follows the record, or of the line that follows a malformed one. */
  readonly end: number;
}

interface DelimitedRecord extends Omit<ScanResult, "end"> {
  /** 1-based line on which it starts. */
  readonly line: number;
}

/** Records that are not blank lines. */
async function* readRecords(
  chunks: AsyncIterable<string>,
  dialect: Dialect,
): AsyncGenerator<DelimitedRecord> {
  let buffer = "";
  let line = 1;
  // An incomplete record is scanned again only once the text has doubled, so that long ones take linear time.
  let enough = 0;
  for await (const chunk of chunks) {
    buffer += chunk;
    if (buffer.length >= enough) yield* take(false);
  }
  yield* take(true);

  function* take(isLast: boolean): Generator<DelimitedRecord> {
    let at = 0;
    while (at < buffer.length) {
      const record = scanRecord(buffer, at, dialect, isLast);
      if (record === undefined) break;
      if (record.fault !== undefined || record.fields.length > 1 || !isBlank(buffer, at))
        yield { ...record, line };
      line += countLineEnds(buffer, at, record.end);
      at = record.end;
    }
    buffer = buffer.slice(at);
    enough = buffer.length * 2;
  }
}

function isBlank(text: string, at: number): boolean {
  return isLineEnd(text.charCodeAt(at));
}

function isLineEnd(unit: number): boolean {
  return unit === 10 || unit === 13;
}

function countLineEnds(text: string, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at++) {
    const unit = text.charCodeAt(at);
    if (unit === 10 || (unit === 13 && text.charCodeAt(at + 1) !== 10)) count++;
  }
  return count;
}

/** The record that starts at `start`; undefined where more text has to arrive first. */
function scanRecord(text: string, start: number, dialect: Dialect, isLast: boolean): ScanResult | undefined {
  const { delimiter, quoting } = dialect;
  const delimiterUnit = delimiter.charCodeAt(0);
  const fields: string[] = [];
  let at = start;
  for (;;) {
    if (quoting === "standard" && text.charCodeAt(at) === 34) {
      const field = scanQuoted(text, at);
      if (field === undefined) {
        if (!isLast && text.length - at <= MAX_RECORD_LENGTH) return undefined;
        return createFaultyRecord(text, at, "a quotation mark opens a field and is never closed", isLast);
      }
      at = field.end;
      if (at === text.length && !isLast) return undefined;
      if (at < text.length && text.charCodeAt(at) !== delimiterUnit && !isLineEnd(text.charCodeAt(at)))
        return createFaultyRecord(text, at, "text follows the closing quotation mark of a field", isLast);
      fields.push(field.text);
    } else {
      const from = at;
      let hasQuote = false;
      for (; at < text.length; at++) {
        const unit = text.charCodeAt(at);
        if (unit === delimiterUnit || isLineEnd(unit)) break;
        if (unit === 34) hasQuote = true;
      }
      if (at === text.length && !isLast) {
        if (at - start <= MAX_RECORD_LENGTH) return undefined;
        throw new WorkbenchError(
          "invalid-input",
          "A row is longer than 64 million characters. Check the file's format.",
        );
      }
      if (hasQuote && quoting === "standard")
        return createFaultyRecord(text, at, "a quotation mark is inside a field that is not quoted", isLast);
      fields.push(text.slice(from, at));
    }
    if (at < text.length && text.charCodeAt(at) === delimiterUnit) {
      at++;
      if (at === text.length && !isLast) return undefined;
      continue;
    }
    const end = findNextLine(text, at, isLast);
    return end === undefined ? undefined : { fields, end };
  }
}

/** A malformed record ends with the line on which the fault is. */
function createFaultyRecord(
  text: string,
  at: number,
  fault: string,
  isLast: boolean,
): ScanResult | undefined {
  let lineEnd = at;
  while (lineEnd < text.length && !isLineEnd(text.charCodeAt(lineEnd))) lineEnd++;
  const end = findNextLine(text, lineEnd, isLast);
  return end === undefined ? undefined : { fields: [], fault, end };
}

/** Start of the next line; undefined where the line end may continue in what has not arrived. */
function findNextLine(text: string, at: number, isLast: boolean): number | undefined {
  if (at >= text.length) return isLast ? at : undefined;
  if (text.charCodeAt(at) === 10) return at + 1;
  if (at + 1 === text.length) return isLast ? at + 1 : undefined;
  return text.charCodeAt(at + 1) === 10 ? at + 2 : at + 1;
}

function scanQuoted(text: string, open: number): { text: string; end: number } | undefined {
  let value = "";
  for (let from = open + 1; ;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) return undefined;
    value += text.slice(from, quote);
    if (text.charCodeAt(quote + 1) !== 34) return { text: value, end: quote + 1 };
    value += '"';
    from = quote + 2;
  }
}
