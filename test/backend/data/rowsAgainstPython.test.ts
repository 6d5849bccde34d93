/** Compares rows of small generated files with those that Python's csv and json read (scripts/reference/rows.py). */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { DataFile } from "../../../src/backend/data/files";
import { readDecodedText } from "../../../src/backend/data/formats/decodedText";
import { readDelimitedRows } from "../../../src/backend/data/formats/delimitedRows";
import { readJsonLines, readJsonObjects } from "../../../src/backend/data/formats/jsonRows";
import type { Row } from "../../../src/backend/data/formats/row";
import { WorkbenchError } from "../../../src/protocol/errors";
import { temporaryFolder, writeFiles } from "./fixtures";

interface Case {
  /** `written` by a program, or `soup` of special characters. */
  kind: "written" | "soup";
  format: "delimited" | "jsonl" | "json";
  delimiter?: string;
  quoting?: "standard" | "none";
  encoding: "utf-8" | "utf-8-sig" | "utf-16";
  text: string;
  /** Null if Python refuses the file. */
  rows: unknown[] | null;
}

const cases = JSON.parse(readFileSync("test/fixtures/data/rows.json", "utf8")) as Case[];

function bytesOf({ encoding, text }: Case): Buffer {
  return encoding === "utf-16"
    ? Buffer.from(`\ufeff${text}`, "utf16le")
    : Buffer.from((encoding === "utf-8-sig" ? "\ufeff" : "") + text);
}

function plain(value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value))
    return { "not finite": Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf" };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value).map(([key, inner]) => [key, plain(inner)]);
}

async function* cutInto(chunks: AsyncIterable<string>, size: number): AsyncGenerator<string> {
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += size) yield chunk.slice(at, at + size);
}

/** The rows, or the refusal. */
async function read(each: Case, file: DataFile, size: number): Promise<unknown[] | WorkbenchError> {
  const refuse = (error: WorkbenchError): never => {
    throw error;
  };
  const chunks = cutInto(
    readDecodedText(file, undefined, { signal: undefined, report: () => undefined }),
    size,
  );
  const { delimiter, quoting } = each;
  const rows: AsyncGenerator<Row> =
    each.format === "delimited"
      ? readDelimitedRows(
          chunks,
          file.path,
          { delimiter: delimiter!, quoting: quoting!, header: false },
          refuse,
          () => undefined,
        )
      : (each.format === "jsonl" ? readJsonLines : readJsonObjects)(chunks, file.path, refuse);
  const found: unknown[] = [];
  try {
    for await (const { values } of rows)
      found.push(each.format === "delimited" ? Object.values(values) : plain(values));
  } catch (thrown) {
    if (!(thrown instanceof WorkbenchError)) throw thrown;
    return thrown;
  }
  return found;
}

test.each([["delimited"], ["jsonl"], ["json"]])(
  "%s files give the rows that Python reads, or a refusal",
  async (format) => {
    const folder = temporaryFolder();
    const ofFormat = cases.filter((each) => each.format === format);
    let equal = 0;
    for (const [i, each] of ofFormat.entries()) {
      await writeFiles(folder, { [`${i}.txt`]: bytesOf(each) });
      const file: DataFile = {
        path: path.join(folder, `${i}.txt`),
        format: "text",
        compression: undefined,
        bytes: 0,
        modified: 0,
      };
      for (const size of [1, 3, 1000]) {
        const found = await read(each, file, size);
        const context = JSON.stringify({
          ...each,
          found: found instanceof WorkbenchError ? found.message : found,
        });
        if (found instanceof WorkbenchError) {
          if (each.kind === "written") expect.unreachable(`refused: ${context}`);
          continue;
        }
        const expected = each.format === "delimited" ? each.rows : each.rows?.map(pairs);
        expect(found, context).toEqual(expected);
        equal++;
      }
    }
    expect(equal).toBeGreaterThan(ofFormat.length);
  },
);

/** Objects as lists of pairs, in which `__proto__` is a key like any other. */
function pairs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pairs);
  if (typeof value !== "object" || value === null) return value;
  if (Object.hasOwn(value, "not finite")) return value;
  return Object.entries(value).map(([key, inner]) => [key, pairs(inner)]);
}
