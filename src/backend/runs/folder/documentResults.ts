/** What evaluated tasks keep of each document, in `steps/<n>-evaluate/documents-<task>.jsonl`, and pairs of two runs. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { readBounded } from "./boundedFile";

const maxBytes = 2 ** 28;
const fileName = /^documents-(\w+)\.jsonl$/;

const lineSchema = z.object({
  task: z.string(),
  doc_id: z.int().min(0),
  doc_hash: z.string(),
  values: z.record(z.string(), z.number()),
});
export type DocumentLine = z.infer<typeof lineSchema>;

/** Documents by task; those of the last step that evaluated it. */
export function readDocumentResults(runFolder: string): ReadonlyMap<string, readonly DocumentLine[]> {
  const steps = join(runFolder, "steps");
  const folders = existsSync(steps) ? readdirSync(steps).filter((name) => /^\d+-evaluate$/.test(name)) : [];
  const results = new Map<string, readonly DocumentLine[]>();
  for (const folder of folders.sort((a, b) => parseInt(a) - parseInt(b)))
    for (const name of readdirSync(join(steps, folder))) {
      const task = fileName.exec(name)?.[1];
      if (task !== undefined) results.set(task, readLines(join(steps, folder, name)));
    }
  return results;
}

function readLines(path: string): DocumentLine[] {
  const lines = readBounded(path, maxBytes).split("\n");
  return lines.flatMap((line, i) => {
    if (line === "") return [];
    try {
      return [lineSchema.parse(JSON.parse(line))];
    } catch (cause) {
      throw new WorkbenchError(
        "corrupt",
        `${path}:${i + 1} is not the result of a document. Evaluate the run again.`,
        {},
        { cause: toWorkbenchError(cause) },
      );
    }
  });
}

export interface PairedValues {
  readonly first: readonly number[];
  readonly second: readonly number[];
}

/** The values of equal documents by their names. Refuses documents that differ. */
export function pairDocuments(
  task: string,
  first: readonly DocumentLine[],
  second: readonly DocumentLine[],
): ReadonlyMap<string, PairedValues> {
  const describe = ({ task: part, doc_id: id, doc_hash: hash }: DocumentLine) => `${part} ${id} ${hash}`;
  const at = first.findIndex((line, i) => second[i] === undefined || describe(line) !== describe(second[i]));
  if (at >= 0 || first.length !== second.length)
    throw new WorkbenchError(
      "invalid-input",
      `The runs evaluated different rows of ${task} (${first.length} and ${second.length}; they differ from row ${(at < 0 ? first.length : at) + 1} on). Evaluate both with the same files and limit.`,
    );
  const names = Object.keys(first[0]?.values ?? {}).filter((name) => second[0]!.values[name] !== undefined);
  return new Map(
    names.map((name) => [
      name,
      {
        first: first.map(({ values }) => values[name] ?? NaN),
        second: second.map(({ values }) => values[name] ?? NaN),
      },
    ]),
  );
}
