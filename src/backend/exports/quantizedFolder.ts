/** A Hugging Face folder whose matrices are written from the codes of a quantized model, without rounding them again. */
import * as z from "zod";
import { narrow, type StoredDtype, storedDtypes, widenInto } from "../checkpoints/halfPrecision";
import { computeStoredBytes, type HostTensor } from "../checkpoints/safetensors";
import { familyOf, hasFileOrder, listMatrixSlots, type ModelShape } from "../models/model";
import type { MatrixSlot } from "../models/weights";
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
import type { ExportSubject } from "./exporter";
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

export interface FolderFormat {
  /** The tensors of a matrix. */
  tensorsOf(slot: MatrixSlot, matrix: CodedMatrix): Iterable<readonly [name: string, tensor: HostTensor]>;
  /** The content of `quantization_config`. */
  config(shape: ModelShape): Readonly<Record<string, unknown>>;
}

interface FolderOptions {
  readonly dtype: StoredDtype;
  readonly max_shard_size: string;
}

export function writeQuantizedFolder(
  subject: ExportSubject,
  { dtype, max_shard_size: size }: FolderOptions,
  format: FolderFormat,
  folder: string,
): string[] {
  const { shape } = subject;
  toPlainShape(shape);
  const source = createSource(subject.tensors);
  const tensors = toPlainTensors(subject, (slot) => !isCoded(slot));
  let worst = 0;
  for (const slot of listMatrixSlots(shape).filter(isCoded)) {
    const matrix = readCodedMatrix(slot, source);
    worst = Math.max(worst, measureScaleRounding(slot.matrix.role, matrix.scales, dtype));
    for (const [name, tensor] of format.tensorsOf(slot, matrix)) tensors.set(name, tensor);
  }
  writeShards(folder, tensors, { dtype, shardBytes: parseSize(size) });
  writeConfig(subject, folder, dtype, { quantization_config: format.config(shape) });
  writeTokenizer(subject, folder);
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
