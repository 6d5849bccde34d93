/** Helpers for tests of the data folder: temporary folders, options with their defaults, and real data if available. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, type TestContext } from "vitest";
import { openData, type DataSet } from "../../../src/backend/data/dataSet";
import { dataSchema, type DataOptions } from "../../../src/schema/experiment";
import { type WorkbenchError, toWorkbenchError } from "../../../src/protocol/errors";

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "lathe-data-"));
  made.push(folder);
  return folder;
}

export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
}

export function optionsOf(options: Partial<DataOptions>): DataOptions {
  return dataSchema.parse(options);
}

/** Opens data in a folder, with a cache next to it and without access to other data. */
export async function openIn(folder: string, options: Partial<DataOptions>): Promise<DataSet> {
  return openData(optionsOf(options), {
    baseFolder: folder,
    cacheFolder: path.join(folder, ".cache"),
    dataFolder: "",
  });
}

export async function failureOf(promise: Promise<unknown>): Promise<WorkbenchError> {
  try {
    await promise;
  } catch (thrown) {
    return toWorkbenchError(thrown);
  }
  throw new Error("Nothing was thrown.");
}

const sharedFolder = process.env["LATHE_DATA"] ?? path.resolve("..", "shared", "data");

/** A file of the evaluation data; skips the test with a reason if the file is missing. */
export function sharedFile(context: TestContext, ...names: string[]): string {
  const file = path.join(sharedFolder, ...names);
  if (!existsSync(file)) {
    const reason = `${file} is not there; set LATHE_DATA to the folder of the evaluation data`;
    console.warn(`skipped "${context.task.name}": ${reason}`);
    context.skip(reason);
  }
  return file;
}

/** The test cases next to the vocabularies: inputs separated by a divider, and a line of ids for each. */
export function vocabularyCases(context: TestContext, ...file: string[]): [string, number[]][] {
  const inputs = readFileSync(sharedFile(context, ...file) + ".inp", "utf8").split("\n__ggml_vocab_test__\n");
  const outputs = readFileSync(sharedFile(context, ...file) + ".out", "utf8").split("\n");
  return inputs.slice(0, 47).map((input, i) => [input, (outputs[i]!.match(/\d+/g) ?? []).map(Number)]);
}

/** Decoded documents and the notices of a dataset. */
export async function readDocuments(
  files: Readonly<Record<string, string | Uint8Array>>,
  options: Partial<DataOptions> = {},
  folder = temporaryFolder(),
) {
  await writeFiles(folder, files);
  using data = await openIn(folder, { text: "*.*", sequence_len: 1, val_fraction: 0, ...options });
  const ids = data.train.read(0, data.train.tokens);
  const documents: string[] = [];
  for (let start = 0, end; (end = ids.indexOf(data.tokenizer.endOfText!, start)) >= 0; start = end + 1)
    documents.push(data.tokenizer.decode(ids.subarray(start, end)));
  return { documents, notices: data.notices, summary: data.summary };
}
