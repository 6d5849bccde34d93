/** What evaluated tasks keep of each document, in `documents-<task>.jsonl` of a step or of an evaluation. */
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
/** Documents by task. */
export type DocumentResults = ReadonlyMap<string, readonly DocumentLine[]>;

/** Those of the last step of a run that evaluated each task. */
export function readRunDocuments(runFolder: string): DocumentResults {
  const steps = join(runFolder, "steps");
  const folders = existsSync(steps) ? readdirSync(steps).filter((name) => /^\d+-evaluate$/.test(name)) : [];
  return new Map(
    folders
      .sort((a, b) => parseInt(a) - parseInt(b))
      .flatMap((folder) => [...readDocumentFiles(join(steps, folder))]),
  );
}

/** Those whose files are in a folder. */
export function readDocumentFiles(folder: string): DocumentResults {
  return new Map(
    readdirSync(folder).flatMap((name) => {
      const task = fileName.exec(name)?.[1];
      return task === undefined ? [] : [[task, readLines(join(folder, name))] as const];
    }),
  );
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
        `${path}:${i + 1} is not the result of a document. Evaluate the model again.`,
        {},
        { cause: toWorkbenchError(cause) },
      );
    }
  });
}
