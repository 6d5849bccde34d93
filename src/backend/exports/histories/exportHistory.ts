/** Exports the history of a run in one of the formats of the catalog. Streams it rather than holding it in memory. */
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { writeFolder, type WrittenFolder } from "../writtenFolder";
import type { HistoryExporter, HistorySubject } from "./historyExporter";

export async function exportHistory(
  subject: HistorySubject,
  exporter: HistoryExporter,
  folder: string,
): Promise<WrittenFolder> {
  return writeFolder(folder, (draft) =>
    pipeline(
      Readable.from(exporter.content(subject)),
      createWriteStream(join(draft, exporter.file(subject))),
    ),
  );
}
