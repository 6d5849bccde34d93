/**
 * Turns a structurally pruned model into a smaller dense model: the configuration has fewer channels, heads and key-value
 * heads, and the matrices have those sizes. A configuration holds one size for all layers, so the layer that keeps the most
 * units sets the size, and the other layers are padded with zeros.
 */
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor, HostTensors } from "../checkpoints/safetensors";
import { readBiasData, biasRole } from "../models/biases";
import { materializeDense } from "../models/huggingFace";
import {
  dimensionsOf,
  familyOf,
  listMatrixSlots,
  type ModelShape,
  createShape,
  partsOf,
  tensorsOf,
  withRepresentations,
} from "../models/model";
import { moveChoices } from "../models/roles";
import { listWithPieces, type MatrixSlot, type StoredMatrix } from "../models/weights";
import { denseShape, fromInOut, weightName } from "../representations/dense";
import type { AxisKind, MatrixSpec, TensorSource } from "../representations/representation";
import { getSlicedSizes, type SlicedOptions } from "../representations/sliced";
import { createSource } from "./plainTensors";

export interface Compaction {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  /** Describes what became smaller, what did not, and why. */
  readonly notes: readonly string[];
  /** Whether every layer keeps the configured size, so that no layer is padded with zeros. */
  readonly isExact: boolean;
}

/** How many units (channels, or key-value heads with their queries) a layer keeps. */
interface KeptUnits {
  readonly layer: string;
  readonly kept: number;
}

export function compact({ shape, tensors }: Pick<Checkpoint, "shape" | "tensors">): Compaction {
  const stored = listMatrixSlots(shape).flatMap((slot) => slot.stored);
  if (!stored.some(isSliced)) return { shape, tensors, notes: [], isExact: true };
  const { config, notes, isExact } = shrinkConfig(shape, stored);
  if (config === undefined) return { shape, tensors, notes, isExact };
  const source = createSource(tensors);
  const whole = new Map(listMatrixSlots(shape).map((slot) => [slot.matrix.role, slot]));
  const dense = createShape(config);
  const out = new Map<string, HostTensor>();
  const kept: Record<string, ModelShape["representations"][string]> = {};
  for (const { matrix } of listMatrixSlots({ ...dense, representations: {} })) {
    const slot = whole.get(matrix.role)!;
    if (isUntouched(slot, matrix)) copySlot(slot, shape, tensors, { out, kept });
    else if (keepsPieces(slot, matrix)) copyKept(slot, matrix, { shape, tensors }, { out, kept });
    else for (const [name, tensor] of cutSlot(slot, matrix, source)) out.set(name, tensor);
  }
  for (const { name } of tensorsOf(shape)) out.set(name, tensors.get(name)!);
  return { shape: withRepresentations(dense, kept), tensors: out, notes, isExact };
}

const isSliced = ({ type }: StoredMatrix): boolean => type === "sliced";

function isUntouched({ matrix, stored }: MatrixSlot, { inputs, outputs }: MatrixSpec): boolean {
  return matrix.inputs === inputs && matrix.outputs === outputs && !stored.some(isSliced);
}

/** A matrix that keeps its size keeps its representation. */
function copySlot(
  { matrix, bias, stored }: MatrixSlot,
  { representations: choices }: ModelShape,
  tensors: HostTensors,
  to: { out: Map<string, HostTensor>; kept: Record<string, ModelShape["representations"][string]> },
): void {
  const specs = stored.flatMap((each) => each.representation.parameters(each.matrix, each.options));
  const biases = bias === undefined ? [] : [bias.spec, ...(bias.mask === undefined ? [] : [bias.mask])];
  for (const { name } of [...specs, ...biases]) to.out.set(name, tensors.get(name)!);
  const roles = stored.flatMap(listWithPieces).map((each) => each.matrix.role);
  for (const role of [...roles, biasRole(matrix)])
    if (Object.hasOwn(choices, role)) to.kept[role] = choices[role]!;
}

/** What is left of a matrix that is sliced, or the matrix itself. */
const findContent = (stored: StoredMatrix): StoredMatrix => (isSliced(stored) ? stored.pieces[0]! : stored);

/** Whether what is left is not dense and fills the smaller matrix, so that it can be stored as it is. */
function keepsPieces({ stored }: MatrixSlot, small: MatrixSpec): boolean {
  const contents = stored.map(findContent);
  const parts = stored.length > 1 ? partsOf(small) : [small];
  return (
    contents.some(({ type }) => type !== "dense") &&
    contents.every(
      ({ matrix }, i) => matrix.inputs === parts[i]!.inputs && matrix.outputs === parts[i]!.outputs,
    )
  );
}

/** What is left of a matrix keeps its representation, under the role of the matrix. */
function copyKept(
  slot: MatrixSlot,
  small: MatrixSpec,
  { shape, tensors }: Pick<Checkpoint, "shape" | "tensors">,
  to: { out: Map<string, HostTensor>; kept: Record<string, ModelShape["representations"][string]> },
): void {
  for (const stored of slot.stored) {
    const { matrix, representation, options } = findContent(stored);
    for (const { name } of representation.parameters(matrix, options)) to.out.set(name, tensors.get(name)!);
    Object.assign(to.kept, moveChoices(shape.representations, matrix.role, stored.matrix.role));
  }
  for (const [name, tensor] of cutBias(slot, small, createSource(tensors))) to.out.set(name, tensor);
}

/** Cuts the dense matrix and its bias to the first inputs and outputs of each part. */
function* cutSlot(
  slot: MatrixSlot,
  small: MatrixSpec,
  source: TensorSource,
): Generator<[name: string, tensor: HostTensor]> {
  const dense = materializeDense(slot, source);
  const columns = selectKeptColumns(slot.matrix, small);
  const data = new Float32Array(small.inputs * small.outputs);
  for (let row = 0; row < small.inputs; row++)
    columns.forEach((column, i) => {
      data[row * small.outputs + i] = dense[row * slot.matrix.outputs + column]!;
    });
  yield [weightName(small), { shape: denseShape(small), data: fromInOut(data, small) }];
  yield* cutBias(slot, small, source);
}

function* cutBias(
  slot: MatrixSlot,
  small: MatrixSpec,
  source: TensorSource,
): Generator<[name: string, tensor: HostTensor]> {
  if (slot.bias === undefined) return;
  const columns = selectKeptColumns(slot.matrix, small);
  const bias = readBiasData(slot.bias, source);
  yield [
    slot.bias.spec.name,
    { shape: [small.outputs], data: Float32Array.from(columns, (column) => bias[column]!) },
  ];
}

function selectKeptColumns(whole: MatrixSpec, small: MatrixSpec): number[] {
  const parts = whole.parts ?? [{ from: 0, to: whole.outputs }];
  const smallParts = small.parts ?? [{ from: 0, to: small.outputs }];
  return parts.flatMap(({ from }, i) =>
    Array.from({ length: smallParts[i]!.to - smallParts[i]!.from }, (_, column) => from + column),
  );
}

/** `config` is undefined if no size becomes smaller. */
function shrinkConfig(
  shape: ModelShape,
  stored: readonly StoredMatrix[],
): Pick<Compaction, "notes" | "isExact"> & { readonly config?: ModelShape["config"] } {
  const { sizeKeys } = familyOf(shape.family);
  const { heads, kvHeads, headDim } = dimensionsOf(shape);
  const notes: string[] = [];
  const changed: Record<string, number> = {};
  const channels = countKeptUnits(stored, "channels");
  const largest = findLargest(channels.kept);
  if (largest < channels.whole) changed[sizeKeys.intermediate] = largest;
  notes.push(...createUnequalNote(channels, largest, sizeKeys.intermediate, "channels"));

  const attention = countKeptUnits(stored, "heads");
  const most = findLargest(attention.kept);
  if (sizeKeys.heads === undefined) {
    if (attention.kept.some(({ kept }) => kept < attention.whole))
      notes.push(
        `Heads were pruned (${listUnits(attention.kept)} of ${attention.whole}), but the configuration of ${shape.family} has no key for the head size: the hidden size is always the number of heads times the head size. ` +
          "The removed heads are written as zeros and save nothing. Export as onnx or packed to keep the smaller matrices.",
      );
  } else {
    const written = sizeKeys.headsDivideWidth === true ? findDividingHeads(shape, most) : most;
    if (written < attention.whole) {
      changed[sizeKeys.heads.heads] = (heads / kvHeads) * written;
      changed[sizeKeys.heads.kvHeads] = written;
      changed[sizeKeys.heads.headDim] = headDim;
    }
    if (written !== most)
      notes.push(
        `${(heads / kvHeads) * most} heads do not divide the hidden size, which transformers requires for ${shape.family}. Wrote ${(heads / kvHeads) * written} heads; the extra ones are zeros.`,
      );
    notes.push(...createUnequalNote(attention, written, sizeKeys.heads.kvHeads, "key-value heads"));
  }
  const keys = Object.entries(changed);
  const isExact = notes.length === 0;
  if (keys.length === 0) return { notes, isExact };
  const sizes = keys.map(([key, size]) => {
    const before = sizeBefore(key);
    return before === size ? `${key} ${size}` : `${key} ${before} → ${size}`;
  });
  return {
    config: { ...shape.config, ...changed },
    isExact,
    notes: [`config.json describes the smaller model: ${sizes.join(", ")}.`, ...notes],
  };

  function sizeBefore(key: string): number {
    if (key === sizeKeys.intermediate) return channels.whole;
    if (key === sizeKeys.heads?.heads) return heads;
    return key === sizeKeys.heads?.kvHeads ? kvHeads : headDim;
  }
}

/** The smallest number of key-value heads, at least `atLeast`, for which the number of query heads divides the hidden size. */
function findDividingHeads(shape: ModelShape, atLeast: number): number {
  const { heads, kvHeads, width } = dimensionsOf(shape);
  let units = atLeast;
  while (units < kvHeads && width % ((heads / kvHeads) * units) !== 0) units++;
  return units;
}

/** The units that each matrix reading this kind of axis keeps. */
function countKeptUnits(
  stored: readonly StoredMatrix[],
  kind: AxisKind,
): { readonly whole: number; readonly kept: readonly KeptUnits[] } {
  const readers = stored.filter(({ matrix: { axes } }) => axes[0].kind === kind);
  return {
    whole: Math.max(0, ...readers.map(({ matrix }) => matrix.axes[0].units)),
    kept: readers.map((reader) => {
      const { matrix, options } = reader;
      const [{ unit }] = matrix.axes;
      const inputs = isSliced(reader) ? getSlicedSizes(matrix, options as SlicedOptions)[0] : matrix.inputs;
      return { layer: String(matrix.layer ?? matrix.role), kept: Math.ceil(inputs / unit) };
    }),
  };
}

const findLargest = (kept: readonly KeptUnits[]): number => Math.max(0, ...kept.map((each) => each.kept));

const listUnits = (kept: readonly KeptUnits[]): string =>
  kept.map((each) => `layer ${each.layer}: ${each.kept}`).join(", ");

/** `written` is the size that the configuration gives all layers. */
function createUnequalNote(
  { kept, whole }: { readonly kept: readonly KeptUnits[]; readonly whole: number },
  written: number,
  key: string,
  units: string,
): string[] {
  const largest = findLargest(kept);
  const smaller = kept.filter((each) => each.kept < largest);
  if (smaller.length === 0) return [];
  const size = written === whole ? `stays ${whole}` : `is ${written}, the most that any layer keeps`;
  const layers = smaller.map((each) => each.layer).join(", ");
  return [
    `Layers keep different numbers of ${units} (${listUnits(kept)} of ${whole}), but ${key} is one number for all layers. It ${size}, and ${smaller.length === 1 ? `layer ${layers} is` : `layers ${layers} are`} padded with zeros. ` +
      "To prune every layer equally, set scope: layer and leave out layers.",
  ];
}
