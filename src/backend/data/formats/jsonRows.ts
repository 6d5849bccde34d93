/** Rows of JSON Lines, of a JSON array, or of JSON objects one after another, parsed one by one. */
import { WorkbenchError } from "../../../protocol/errors";

export interface Row {
  readonly values: Readonly<Record<string, unknown>>;
  /** 1-based line or row, for messages. */
  readonly where: string;
}

const LONGEST_ROW = 1 << 26;

export async function* jsonLines(chunks: AsyncIterable<string>, file: string): AsyncGenerator<Row> {
  let rest = "";
  let line = 0;
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LONGEST_ROW) throw tooLong(file, line + 1);
    for (const text of lines) {
      line++;
      if (text.trim() !== "") yield parseRow(text, file, line);
    }
  }
  if (rest.trim() !== "") yield parseRow(rest, file, line + 1);
}

/** Finds the borders of the objects by counting brackets outside strings; JSON.parse checks each of them. */
export async function* jsonObjects(chunks: AsyncIterable<string>, file: string): AsyncGenerator<Row> {
  let pending = "";
  let line = 1;
  let startLine = 1;
  let depth = 0;
  let inArray = false;
  let closed = false;
  let inString = false;
  let escaped = false;
  for await (const chunk of chunks) {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const unit = chunk.charCodeAt(i);
      if (unit === 10) line++;
      if (inString) {
        if (escaped) escaped = false;
        else if (unit === 92) escaped = true;
        else if (unit === 34) inString = false;
      } else if (depth === 0) {
        if (unit === 32 || (unit >= 9 && unit <= 13) || (unit === 44 && inArray)) continue;
        if (unit === 91 && !inArray && !closed) inArray = true;
        else if (unit === 93 && inArray) [inArray, closed] = [false, true];
        else if (unit === 123 && !closed) [depth, start, startLine] = [1, i, line];
        else throw notRows(file, line, chunk.slice(i, i + 20));
      } else if (unit === 34) inString = true;
      else if (unit === 123 || unit === 91) depth++;
      else if (unit === 125 || unit === 93) {
        depth--;
        if (depth === 0) {
          yield parseRow(pending + chunk.slice(start, i + 1), file, startLine);
          pending = "";
        }
      }
    }
    if (depth > 0) pending += chunk.slice(start);
    if (pending.length > LONGEST_ROW) throw tooLong(file, startLine);
  }
  if (depth > 0 || inArray)
    throw new WorkbenchError(
      "invalid-input",
      `${file} ends in the middle of ${depth > 0 ? `the object that begins in line ${startLine}` : "its array"}. ` +
        "The file is cut off; make or download it again.",
    );
}

function parseRow(text: string, file: string, line: number): Row {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WorkbenchError(
      "invalid-input",
      `${file}:${line} is not JSON (${(cause as Error).message}). Every row has to be a JSON object.`,
      { position: { file, line, column: 1 } },
      { cause },
    );
  }
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw notRows(file, line, text.trim().slice(0, 20));
  return { values: value as Record<string, unknown>, where: `${file}:${line}` };
}

function notRows(file: string, line: number, seen: string): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `${file}:${line} holds ${JSON.stringify(seen)} where a JSON object is expected. ` +
      'Write rows as objects, for example {"text": "…"}.',
    { position: { file, line, column: 1 } },
  );
}

function tooLong(file: string, line: number): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `The row at ${file}:${line} is longer than 64 million characters. Split it, or check the file's format.`,
  );
}
