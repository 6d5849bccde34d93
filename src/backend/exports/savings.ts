/** Reports the space that an export saves: bytes by kind of file before and after, and a reason if nothing became smaller. */
import { sizeOf } from "../graph/op";
import { familyOf, listMatrixSlots, type ModelShape, parametersOf } from "../models/model";
import { listWithPieces, type StoredMatrix } from "../models/weights";
import { formatBytes, missingText, formatPercent } from "../../protocol/quantities";
import type { AnyExporter, ExportSubject } from "./exporter";
import { createSource } from "./plainTensors";

export interface SizeRow {
  readonly kind: "weights" | "configuration" | "tokenizer" | "total";
  /** Bytes of the same model with dense float32 matrices. */
  readonly before: number;
  readonly after: number;
}

interface NamedFile {
  readonly name: string;
  readonly bytes: number;
}

const configurationFiles = new Set([
  "config.json",
  "adapter_config.json",
  "manifest.json",
  "generation_config.json",
  "genai_config.json",
]);

function classifyFile(name: string): "weights" | "configuration" | "tokenizer" {
  if (/\.(safetensors(\.index\.json)?|onnx(_data)?|gguf)$/.test(name)) return "weights";
  return configurationFiles.has(name) ? "configuration" : "tokenizer";
}

/** Only weights can become smaller; the other files count with the same size before and after. */
export function compareSizes(shape: ModelShape, files: readonly NamedFile[]): SizeRow[] {
  const after = { weights: 0, configuration: 0, tokenizer: 0 };
  for (const { name, bytes: size } of files) after[classifyFile(name)] += size;
  const rows: SizeRow[] = [{ kind: "weights", before: computeDenseBytes(shape), after: after.weights }];
  for (const kind of ["configuration", "tokenizer"] as const)
    if (after[kind] > 0) rows.push({ kind, before: after[kind], after: after[kind] });
  const total = (key: "before" | "after") => rows.reduce((sum, row) => sum + row[key], 0);
  return [...rows, { kind: "total", before: total("before"), after: total("after") }];
}

/** Bytes of the model as its configuration describes it, with every tensor in float32. */
export function computeDenseBytes({ family, config }: ModelShape): number {
  const representations = familyOf(family).representations?.(config) ?? {};
  const specs = parametersOf({ family, config, representations });
  return specs.reduce((sum, spec) => sum + 4 * sizeOf(spec.shape), 0);
}

/** Lines of a human-readable table. */
export function formatSizeTable(sizes: readonly SizeRow[]): string[] {
  const rows = [
    ["", "dense float32", "written", ""],
    ...sizes.map(({ kind, before, after }) => [
      kind,
      formatBytes(before),
      formatBytes(after),
      before === 0 ? missingText : formatPercent(after / before),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
}

/** Explains why matrices take as much space as dense ones: one line for each representation that the format does not keep. */
export function listUnsavedNotes(
  { shape, tensors }: ExportSubject,
  { form, keeps = [] }: Pick<AnyExporter, "form" | "keeps">,
): string[] {
  if (form === "stored") return [];
  const declared = familyOf(shape.family).representations?.(shape.config) ?? {};
  const byType = new Map<string, StoredMatrix[]>();
  for (const each of listMatrixSlots(shape).flatMap(({ stored }) => stored.flatMap(listWithPieces))) {
    const isKept =
      each.type === "dense" || keeps.includes(each.type) || each.type === declared[each.matrix.role]?.type;
    if (!isKept) byType.set(each.type, [...(byType.get(each.type) ?? []), each]);
  }
  const notes: string[] = [];
  const masked = byType.get("masked");
  if (masked !== undefined) {
    const source = createSource(tensors);
    const count = (of: (each: StoredMatrix) => number) => masked.reduce((sum, each) => sum + of(each), 0);
    const all = count(({ matrix }) => matrix.inputs * matrix.outputs);
    const keptScalars = count(
      ({ matrix, representation, options }) => representation.count(matrix, options, source).stored,
    );
    notes.push(
      `${formatMatrixCount(masked.length)} with a mask (${formatPercent(1 - keptScalars / all)} zeros): written as dense matrices with zeros, so nothing is saved. Export as packed to store only a bitmap and the unmasked values.`,
    );
  }
  if (form === "graph") return notes;
  for (const stored of byType.values()) {
    const { contents } = stored[0]!.representation;
    // `compact` reports sliced matrices.
    if (contents !== undefined)
      notes.push(
        `${formatMatrixCount(stored.length)} with ${contents}: written as dense matrices, so nothing is saved. Export as onnx or packed to keep them.`,
      );
  }
  const rounding = listMatrixSlots(shape)
    .flatMap(({ stored }) => stored.flatMap(listWithPieces))
    .filter(({ representation, options }) => representation.inputRounding?.(options) !== undefined);
  if (rounding.length > 0)
    notes.push(
      `${formatMatrixCount(rounding.length)} with rounded inputs: a dense matrix reads them as they are, so its outputs differ from those measured here. Export as onnx to keep the rounding.`,
    );
  return notes;
}

export const formatMatrixCount = (count: number): string => (count === 1 ? "1 matrix" : `${count} matrices`);
