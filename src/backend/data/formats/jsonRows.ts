/** Rows of JSON Lines, of a JSON array, or of JSON objects one after another, parsed one by one. */
import { randomUUID } from "node:crypto";
import { WorkbenchError } from "../../../protocol/errors";
import type { OnBadRow, Row } from "./row";

const MAX_ROW_LENGTH = 1 << 26;
/** Only the spaces of JSON: a line of other ones is malformed. */
const blank = /^[ \t\r\n]*$/;
/** A line end cannot be part of a JSON string, so any kind of it ends a row. */
const lineEnd = /\r\n|\n|\r/;

export async function* readJsonLines(
  chunks: AsyncIterable<string>,
  file: string,
  onBadRow: OnBadRow,
): AsyncGenerator<Row> {
  let rest = "";
  let line = 0;
  for await (const chunk of chunks) {
    const text = rest + chunk;
    // A line end may be cut in two between chunks.
    const end = text.endsWith("\r") ? text.length - 1 : text.length;
    const lines = text.slice(0, end).split(lineEnd);
    rest = (lines.pop() ?? "") + text.slice(end);
    if (rest.length > MAX_ROW_LENGTH) throw rowTooLongError(file, line + 1);
    for (const each of lines) {
      line++;
      yield* parsed(each, line);
    }
  }
  for (const each of rest.split(lineEnd)) yield* parsed(each, ++line);

  function* parsed(text: string, at: number): Generator<Row> {
    const row = blank.test(text) ? undefined : parseRow(text, file, at, onBadRow);
    if (row !== undefined) yield row;
  }
}

/** Finds the borders of the objects by counting brackets outside strings; JSON.parse checks each of them. */
export async function* readJsonObjects(
  chunks: AsyncIterable<string>,
  file: string,
  onBadRow: OnBadRow,
): AsyncGenerator<Row> {
  let pending = "";
  let line = 1;
  let startLine = 1;
  let depth = 0;
  let inArray = false;
  let closed = false;
  /** In an array: whether the next object or the end is due, or a comma. */
  let expected: "object or end" | "object" | "comma or end" = "object or end";
  let hasRows = false;
  let inString = false;
  let escaped = false;
  for await (const chunk of chunks) {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const unit = chunk.charCodeAt(i);
      if (unit === 10 || (unit === 13 && chunk.charCodeAt(i + 1) !== 10)) line++;
      if (inString) {
        if (escaped) escaped = false;
        else if (unit === 92) escaped = true;
        else if (unit === 34) inString = false;
      } else if (depth === 0) {
        if (unit === 32 || unit === 9 || unit === 10 || unit === 13) continue;
        if (unit === 44 && inArray && expected === "comma or end") expected = "object";
        else if (unit === 91 && !inArray && !closed && !hasRows) inArray = true;
        else if (unit === 93 && inArray && expected !== "object") [inArray, closed] = [false, true];
        else if (unit === 123 && !closed && expected !== "comma or end") {
          [depth, start, startLine, hasRows] = [1, i, line, true];
          if (inArray) expected = "comma or end";
        } else throw notRowsError(file, line, chunk.slice(i, i + 20));
      } else if (unit === 34) inString = true;
      else if (unit === 123 || unit === 91) depth++;
      else if (unit === 125 || unit === 93) {
        depth--;
        if (depth === 0) {
          const row = parseRow(pending + chunk.slice(start, i + 1), file, startLine, onBadRow);
          if (row !== undefined) yield row;
          pending = "";
        }
      }
    }
    if (depth > 0) pending += chunk.slice(start);
    if (pending.length > MAX_ROW_LENGTH) throw rowTooLongError(file, startLine);
  }
  if (depth > 0 || inArray)
    throw new WorkbenchError(
      "invalid-input",
      `${file} ends in the middle of ${depth > 0 ? `the object that begins in line ${startLine}` : "its array"}. ` +
        "The file is cut off; make or download it again.",
    );
}

/** Undefined where the row is malformed and `onBadRow` lets it pass. */
function parseRow(text: string, file: string, line: number, onBadRow: OnBadRow): Row | undefined {
  let value: unknown;
  try {
    value = parseLeniently(text);
  } catch (cause) {
    onBadRow(
      new WorkbenchError(
        "invalid-input",
        `${file}:${line} is not JSON (${(cause as Error).message}). Every row has to be a JSON object; ` +
          "data.on_bad_rows: skip leaves others out.",
        { file, position: { file, line, column: 1 } },
        { cause },
      ),
    );
    return undefined;
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    onBadRow(notRowsError(file, line, text.trim().slice(0, 20)));
    return undefined;
  }
  return { values: value as Record<string, unknown>, where: `${file}:${line}` };
}

/** Strings, and the three numbers that Python's `json` writes although JSON does not have them. */
const stringOrNonFinite = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;
const nonFinite = new Map([NaN, Infinity, -Infinity].map((number) => [`${randomUUID()} ${number}`, number]));
const placeholders = new Map([...nonFinite].map(([standIn, number]) => [String(number), standIn]));

/** `JSON.parse`, also of NaN and infinite numbers. */
function parseLeniently(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    const strict = text.replace(stringOrNonFinite, (match) =>
      match.startsWith('"') ? match : JSON.stringify(placeholders.get(match)),
    );
    if (strict === text) throw thrown;
    try {
      return JSON.parse(strict, (_, value: unknown) =>
        typeof value === "string" ? (nonFinite.get(value) ?? value) : value,
      );
    } catch {
      throw thrown; // The message about the text as it is written.
    }
  }
}

function notRowsError(file: string, line: number, content: string): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `${file}:${line} holds ${JSON.stringify(content)} where a JSON object is expected. ` +
      'Write rows as objects, for example {"text": "…"}.',
    { position: { file, line, column: 1 } },
  );
}

function rowTooLongError(file: string, line: number): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `The row at ${file}:${line} is longer than 64 million characters. Split it, or check the file's format.`,
  );
}
