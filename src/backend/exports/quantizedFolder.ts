/** A Hugging Face folder whose matrices are written from the codes of a quantized model, without rounding them again. */
import * as z from "zod";
import { narrow, type StoredDtype, storedDtypes, widenInto } from "../checkpoints/halfPrecision";
import { computeStoredBytes, type FileTensor, type HostTensor } from "../checkpoints/safetensors";
import { familyOf, hasFileOrder, listMatrixSlots, type ModelShape } from "../models/model";
import type { MatrixSlot } from "../models/weights";
import { weightName } from "../representations/dense";
import type { MatrixSpec } from "../representations/representation";
import { WorkbenchError } from "../../protocol/errors";
import {
  type CodedMatrix,
  describeBytes,
  describeCoding,
  type Coding,
  findCoding,
  isCoded,
  readCodedMatrix,
} from "./codedMatrix";
import { writeConfig, writeTokenizer } from "./companions";
import type { Exporter, ExportSubject } from "./exporter";
import { createSource, toPlainShape, toPlainTensors } from "./plainTensors";
import { parseSize, sizePattern, writeShards } from "./shards";

/** The options that these formats share. */
export const folderOptions = {
  dtype: z
    .enum(storedDtypes)
    .default("float16")
    .describe("Type of the scales and of all weights that are not quantized."),
  max_shard_size: z
    .string()
    .regex(sizePattern, { error: "must be a size such as 5GB, 500MB or 2GiB" })
    .refine((size) => !sizePattern.test(size) || parseSize(size) > 0, { error: "must be at least one byte" })
    .default("5GB")
    .describe("Maximum size of a weight file, such as 5GB."),
};

interface FolderOptions {
  readonly dtype: StoredDtype;
  readonly max_shard_size: string;
}

/** What these formats do in different ways. */
interface QuantizedFormat<O> extends Pick<Exporter<O>, "title" | "options" | "samples"> {
  /** What a model that cannot be written lacks, for a message: `form in GPTQ's layout`. */
  readonly formName: string;
  /** Why a model cannot be written, as of an exporter. */
  refuses(shape: ModelShape): string | undefined;
  /** The tensors of a matrix. */
  tensorsOf(
    matrix: MatrixSpec,
    codes: CodedMatrix,
    options: O,
  ): Iterable<readonly [name: string, tensor: HostTensor]>;
  /** The content of `quantization_config`. */
  createConfig(shape: ModelShape, options: O): Readonly<Record<string, unknown>>;
  /** Lines that the user must see besides sizes and rounding. */
  listNotices?(shape: ModelShape): readonly string[];
}

export function defineQuantizedFolder<O extends FolderOptions>(format: QuantizedFormat<O>): Exporter<O> {
  const { title, options, samples, formName } = format;
  return {
    title,
    options,
    samples,
    library: "transformers",
    form: "dense",
    keeps: ["quantised"],
    refuses: (shape) => format.refuses(shape),
    write: async (subject, given, folder) => {
      const refusal = format.refuses(subject.shape);
      if (refusal !== undefined)
        throw new WorkbenchError(
          "unsupported",
          `After compaction, the model has no ${formName}: ${refusal}.`,
        );
      const { shape } = subject;
      const notices = writeCodedFolder(subject, given, folder, {
        writesCodes: isCoded,
        tensorsOf: (matrix, codes) => format.tensorsOf(matrix, codes, given),
        config: { quantization_config: format.createConfig(shape, given) },
      });
      return [...notices, ...(format.listNotices?.(shape) ?? [])];
    },
  };
}

/** What a folder with codes has besides dense tensors. */
interface CodedFolder {
  /** Whether the codes of a quantized matrix are written; otherwise it is dense. */
  readonly writesCodes: (slot: MatrixSlot) => boolean;
  /** The tensors of a matrix. */
  readonly tensorsOf: (
    matrix: MatrixSpec,
    codes: CodedMatrix,
  ) => Iterable<readonly [name: string, tensor: FileTensor]>;
  /** Keys of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The name of a tensor in the file, if it is not that of transformers. */
  readonly rename?: (name: string) => string;
  /** Whether dense matrices are always [outputs, inputs]. Codes are in any case. */
  readonly transposes?: boolean;
}

/** Writes the folder and returns lines about sizes and rounding. */
export function writeCodedFolder(
  subject: ExportSubject,
  { dtype, max_shard_size: size }: FolderOptions,
  folder: string,
  { writesCodes, tensorsOf, config, rename = (name) => name, transposes = false }: CodedFolder,
): string[] {
  const { shape } = subject;
  toPlainShape(shape);
  const source = createSource(subject.tensors);
  const keepsCodes = (slot: MatrixSlot) => isCoded(slot) && writesCodes(slot);
  const coded = listMatrixSlots(shape).filter(keepsCodes);
  const plain = toPlainTensors(subject, (slot) => !keepsCodes(slot));
  const tensors = new Map<string, FileTensor>();
  const add = (name: string, tensor: FileTensor) => tensors.set(rename(name), tensor);
  const turned = transposes ? listTurned(shape) : new Set<string>();
  for (const [name, tensor] of plain) add(name, turned.has(name) ? transpose(tensor) : tensor);
  let worst = 0;
  for (const slot of coded) {
    const codes = readCodedMatrix(slot, source);
    worst = Math.max(worst, measureScaleRounding(slot.matrix.role, codes.scales, dtype));
    for (const [name, tensor] of tensorsOf(slot.matrix, codes)) add(name, tensor);
  }
  writeShards(folder, tensors, { dtype, shardBytes: parseSize(size) });
  writeConfig(subject, folder, dtype, config);
  writeTokenizer(subject, folder);
  if (coded.length === 0) return [];
  const bytes = [...tensors.values()].reduce((sum, tensor) => sum + computeStoredBytes(tensor, dtype), 0);
  const weights = listMatrixSlots(shape).reduce((sum, { matrix }) => sum + matrix.inputs * matrix.outputs, 0);
  return [
    describeBytes(shape, bytes, weights),
    ...(dtype === "float32"
      ? []
      : [
          `Codes are written as they are. Scales are rounded to ${dtype}, by ${(100 * worst).toPrecision(2)} % at most.`,
        ]),
  ];
}

/** Names of the matrices that the family has as [inputs, outputs]. An embedding has a row for each input everywhere. */
const listTurned = (shape: ModelShape): ReadonlySet<string> =>
  new Set(
    listMatrixSlots(shape)
      .filter(({ matrix }) => matrix.kind !== "embedding" && matrix.layout === "in_out")
      .map(({ matrix }) => weightName(matrix)),
  );

function transpose({ shape, data }: HostTensor): HostTensor {
  const [rows, columns] = shape as [number, number];
  const turned = Float32Array.from(
    { length: rows * columns },
    (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!,
  );
  return { shape: [columns, rows], data: turned };
}

/** Throws if a scale that is not zero becomes zero; returns the largest relative change. */
function measureScaleRounding(role: string, scales: Float32Array, dtype: StoredDtype): number {
  if (dtype === "float32") return 0;
  const rounded = new Float32Array(scales.length);
  widenInto(rounded, 0, narrow(scales, dtype), dtype);
  let worst = 0;
  for (const [i, scale] of scales.entries()) {
    if (scale === 0) continue;
    if (rounded[i] === 0)
      throw new WorkbenchError(
        "unsupported",
        `A scale of ${role} is ${scale}, which ${dtype} rounds to 0. Export with dtype: float32.`,
      );
    worst = Math.max(worst, Math.abs(rounded[i]! / scale - 1));
  }
  return worst;
}

/** The matrix without what structured pruning removed, which the export leaves out. */
const withoutSlices = (slot: MatrixSlot): MatrixSlot => ({
  ...slot,
  stored: slot.stored.map((each) => (each.type === "sliced" ? each.pieces[0]! : each)),
});

/** Why the codes of a model cannot be written in such a folder; `refuseCoding` adds the reasons of the format. */
export function refuseCodes(
  shape: ModelShape,
  refuseCoding: (coding: Coding, matrix: MatrixSpec) => string | undefined,
): string | undefined {
  const coded = listMatrixSlots(shape).map(withoutSlices).filter(isCoded);
  if (coded.length === 0) return "none of its matrices is quantized";
  if (Object.keys(familyOf(shape.family).representations?.(shape.config) ?? {}).length > 0)
    return "its configuration requires matrices that are not dense";
  for (const slot of coded) {
    const { matrix } = slot;
    if (matrix.kind === "embedding")
      return `${matrix.role} is quantized, and the format has only matrices of linear layers. Leave it out of the targets`;
    if (hasFileOrder(shape, matrix))
      return `${matrix.role}: files have its outputs in another order, and codes are not reordered. Leave it out of the targets`;
    const coding = findCoding(slot);
    if (typeof coding === "string") return `${matrix.role}: ${coding}`;
    const reason = refuseCoding(coding, matrix);
    if (reason !== undefined) return `${matrix.role} (${describeCoding(coding)}): ${reason}`;
  }
  return undefined;
}

/** Refuses another coding than that of the first matrix, for formats that have one for all matrices of a model. */
export function createSingleCodingRule(): (coding: Coding, matrix: MatrixSpec) => string | undefined {
  let first: { readonly role: string; readonly coding: Coding } | undefined;
  return (coding, { role }) => {
    first ??= { role, coding };
    return describeCoding(coding) === describeCoding(first.coding)
      ? undefined
      : `the format has one coding for all matrices, and ${first.role} has ${describeCoding(first.coding)}`;
  };
}

/** The coding of the first quantized matrix of a model that `refuseCodes` accepts. */
export const getFirstCoding = (shape: ModelShape): Coding =>
  findCoding(listMatrixSlots(shape).find(isCoded)!) as Coding;

/** Names of the linear layers that are not quantized, also of those that are tied to the embedding. */
export function listDenseModules(shape: ModelShape): string[] {
  const others = listMatrixSlots(shape)
    .filter((slot) => !isCoded(slot) && slot.matrix.kind !== "embedding")
    .map(({ matrix }) => matrix.name);
  const tied = familyOf(shape.family).heads.language.tied(shape.config);
  return [...others, ...tied.map(([alias]) => alias.replace(/\.weight$/, ""))];
}
