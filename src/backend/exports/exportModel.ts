/** Writes a model in a format of the catalog. */
import { WorkbenchError } from "../../protocol/errors";
import { exporters } from "./catalog";
import { compact } from "./compaction";
import type { ExportSubject, Form } from "./exporter";
import { type SizeRow, sizesOf, unsavedNotes } from "./savings";
import { writeFolder, type WrittenFolder } from "./writtenFolder";

export interface Exported extends WrittenFolder {
  readonly format: string;
  /** Lines that a reader must not miss. */
  readonly notices: readonly string[];
  /** Bytes by kind of file, the total last. */
  readonly sizes: readonly SizeRow[];
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
  const notices: string[] = [];
  let unsaved: readonly string[] = [];
  const written = await writeFolder(folder, async (draft) => {
    const { notes, ...smaller } = compactFor(exporter.form, subject);
    notices.push(...(await exporter.write(smaller, options, draft)), ...notes);
    unsaved = unsavedNotes(smaller, exporter.form);
  });
  const sizes = sizesOf(subject.shape, written.files);
  const [{ before, after }] = sizes as [SizeRow];
  if (after >= before && unsaved.length === 0)
    notices.push("Nothing was saved: the weights take as much as dense float32 weights.");
  return { format, ...written, notices: [...notices, ...unsaved], sizes };
}

/** A graph can have matrices of different sizes in each layer, so there only what fits exactly is compacted. */
function compactFor(
  form: Form,
  subject: ExportSubject,
): ExportSubject & { readonly notes: readonly string[] } {
  if (form === "stored") return { ...subject, notes: [] };
  const { isExact, ...smaller } = compact(subject);
  return isExact || form === "dense" ? { ...subject, ...smaller } : { ...subject, notes: [] };
}
