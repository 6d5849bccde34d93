/** Writes a model in a format of the catalog. */
import { WorkbenchError } from "../../protocol/errors";
import { refuseUnknownTokens } from "../models/vocabularyFit";
import { exporters } from "./catalog";
import type { ExportSubject } from "./exporter";
import { writeFolder, type WrittenFolder } from "./writtenFolder";

export interface Exported extends WrittenFolder {
  readonly format: string;
  /** Lines that a reader must not miss. */
  readonly notices: readonly string[];
}

export async function exportModel(
  subject: ExportSubject,
  { format, ...given }: { readonly format: string; readonly [option: string]: unknown },
  folder: string,
): Promise<Exported> {
  const exporter = Object.hasOwn(exporters, format) ? exporters[format] : undefined;
  if (exporter === undefined) {
    const allowed = Object.keys(exporters);
    throw new WorkbenchError(
      "invalid-input",
      `There is no export format "${format}"; known are ${allowed.join(", ")}.`,
      { allowed },
    );
  }
  const options = exporter.options.parse(given) as unknown;
  if (subject.tokenizer !== undefined) refuseUnknownTokens(subject.shape, subject.tokenizer.vocabSize);
  let notices: readonly string[] = [];
  const written = await writeFolder(folder, async (draft) => {
    notices = await exporter.write(subject, options, draft);
  });
  return { format, ...written, notices };
}
