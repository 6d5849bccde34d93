/** Exports a model in one of the formats of the catalog. */
import { WorkbenchError } from "../../protocol/errors";
import { exporters } from "./catalog";
import { compact } from "./compaction";
import { describeExits, getExitLayers, withoutExits } from "../models/exits";
import { type ModelShape, parametersOf } from "../models/model";
import type { AnyExporter, ExportSubject, Form } from "./exporter";
import { type SizeRow, compareSizes, listUnsavedNotes } from "./savings";
import { writeFolder, type WrittenFolder } from "./writtenFolder";

export interface ExportResult extends WrittenFolder {
  readonly format: string;
  /** Lines that the user must see. */
  readonly notices: readonly string[];
  /** Bytes by kind of file; the last row is the total. */
  readonly sizes: readonly SizeRow[];
}

export async function exportModel(
  whole: ExportSubject,
  { format, ...exportOptions }: { readonly format: string; readonly [option: string]: unknown },
  folder: string,
): Promise<ExportResult> {
  const exporter = findExporter(format);
  const options = exporter.options.parse(exportOptions) as unknown;
  refuseShape(whole.shape, format, options);
  const notices: string[] = [];
  const subject = exporter.keepsExits === true ? whole : leaveOutExits(whole, notices);
  let unsaved: readonly string[] = [];
  const result = await writeFolder(folder, async (draft) => {
    const { notes, ...smaller } = compactFor(exporter.form, subject);
    notices.push(...(await exporter.write(smaller, options, draft)), ...notes);
    unsaved = listUnsavedNotes(smaller, exporter);
  });
  const sizes = compareSizes(subject.shape, result.files);
  const [{ before, after }] = sizes as [SizeRow];
  if (after >= before && unsaved.length === 0)
    notices.push("The export saved no space: the weights take as many bytes as in dense float32.");
  return { format, ...result, notices: [...notices, ...unsaved], sizes };
}

/** Other programs have no place for exits. */
function leaveOutExits(subject: ExportSubject, notices: string[]): ExportSubject {
  const exits = getExitLayers(subject.shape.config);
  if (exits.length === 0) return subject;
  notices.push(
    `Left out: the ${describeExits(exits)}, for which the format has no place. Export as packed to keep exits.`,
  );
  const shape = withoutExits(subject.shape);
  const names = new Set(parametersOf(shape).map(({ name }) => name));
  return { ...subject, shape, tensors: new Map([...subject.tensors].filter(([name]) => names.has(name))) };
}

/** Throws the reason why a model cannot be written in a format. `options` are the format's own, parsed. */
export function refuseShape(shape: ModelShape, format: string, options: unknown): void {
  const reason = findExporter(format).refuses?.(shape, options);
  if (reason === undefined) return;
  const others = ["safetensors", "onnx", "packed"].filter((other) => other !== format);
  const list = others.join(", ").replace(/, (?=[^,]*$)/, " or ");
  throw new WorkbenchError(
    "unsupported",
    `The model cannot be exported as ${format}: ${reason}. Export it as ${list} instead.`,
  );
}

/** A graph can have matrices of different sizes in each layer, so a graph is compacted only if no layer needs padding. */
function compactFor(
  form: Form,
  subject: ExportSubject,
): ExportSubject & { readonly notes: readonly string[] } {
  if (form === "stored") return { ...subject, notes: [] };
  const { isExact, ...smaller } = compact(subject);
  return isExact || form === "dense" ? { ...subject, ...smaller } : { ...subject, notes: [] };
}

/** The exporter of a format; throws `invalid-input` with the known formats for any other. */
export function findExporter(format: string): AnyExporter {
  if (Object.hasOwn(exporters, format)) return exporters[format]!;
  const allowed = Object.keys(exporters);
  throw new WorkbenchError(
    "invalid-input",
    `Unknown export format "${format}". Allowed: ${allowed.join(", ")}.`,
    { allowed },
  );
}
