/**
 * Keeps some units of the axes of a whole model, in every tensor along them, and gives the configuration the new sizes: a
 * smaller dense model of the same family. Which tensors are along an axis is part of the description of each family.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import {
  createShape,
  dimensionsOf,
  familyOf,
  listMatrixSlots,
  type ModelShape,
  parametersOf,
  tensorsOf,
} from "../models/model";
import { weightName } from "../representations/dense";
import type { Axis, MatrixSpec } from "../representations/representation";
import { readFloats } from "./unpackTargets";

/** New sizes of the axes of every layer; those left out stay. `heads` are key-value heads. */
export interface NewSizes {
  readonly hidden?: number | undefined;
  readonly channels?: number | undefined;
  readonly heads?: number | undefined;
}

/** Returns the shape with these sizes; throws if a matrix is not dense. */
export function resizeAxes(title: string, shape: ModelShape, sizes: NewSizes): ModelShape {
  requireDense(title, shape);
  const { sizeKeys } = familyOf(shape.family);
  const { width, heads, kvHeads, headDim } = dimensionsOf(shape);
  if (sizes.hidden !== undefined && sizes.hidden !== width && sizeKeys.fixedWidth !== undefined)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: in ${shape.family} models ${sizeKeys.fixedWidth}, so channels of the residual stream cannot be removed. Prune heads or channels of the feed-forward layers.`,
    );
  const { hidden = width, channels = countChannels(shape), heads: units = kvHeads } = sizes;
  const headCount = (heads / kvHeads) * units;
  const headSizes: Record<string, number> =
    sizeKeys.heads !== undefined
      ? {
          [sizeKeys.heads.heads]: headCount,
          [sizeKeys.heads.kvHeads]: units,
          [sizeKeys.heads.headDim]: headDim,
        }
      : sizeKeys.coupledHeads !== undefined
        ? { [sizeKeys.coupledHeads]: headCount }
        : {};
  // A default of one size may depend on another, so all are written.
  return createShape({
    ...shape.config,
    [sizeKeys.width]: hidden,
    [sizeKeys.intermediate]: channels,
    ...headSizes,
  });
}

/** Units that are left when a share of them is removed; at least one. */
export const countKept = (units: number, rate: number): number =>
  Math.max(1, Math.floor((1 - rate) * units * (1 + 1e-12)));

/**
 * Returns the width after a share of the residual stream is removed: a multiple of `multiple`, and of the number of heads for
 * families of which transformers requires it.
 */
export function chooseWidth(
  title: string,
  shape: ModelShape,
  { rate, multiple_of: multiple }: { readonly rate: number; readonly multiple_of: number },
  heads: number,
): number {
  const { width } = dimensionsOf(shape);
  const isDivided = familyOf(shape.family).sizeKeys.headsDivideWidth === true;
  const step = findCommonMultiple(multiple, isDivided ? heads : 1);
  if (step <= width) return countKept(width / step, rate) * step;
  throw new WorkbenchError(
    "unsupported",
    `${title} cannot be applied: no width of at most ${width} is a multiple of ${step}. Choose another multiple_of.`,
  );
}

const findCommonMultiple = (a: number, b: number): number => (a * b) / findCommonDivisor(a, b);
const findCommonDivisor = (a: number, b: number): number => (b === 0 ? a : findCommonDivisor(b, a % b));

export const widthMultiple = z
  .int()
  .min(1)
  .default(1)
  .describe(
    "The new width is a multiple of this, and of what the family requires: for Llama, of the number of heads.",
  );

/** Rejects models of which a matrix is not stored as one dense tensor. */
export function requireDense(title: string, shape: ModelShape): void {
  for (const { matrix, bias, stored } of listMatrixSlots(shape)) {
    const other = stored.find(({ type }) => type !== "dense")?.type ?? (bias?.mask && "masked");
    if (other === undefined) continue;
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: it changes every matrix along the residual stream, and ${matrix.role} is stored as ${other}. Apply it before methods that store matrices in another form.`,
    );
  }
}

/** Feed-forward channels of a layer. */
export function countChannels(shape: ModelShape): number {
  for (const { matrix } of listMatrixSlots(shape)) {
    const [axis] = matrix.axes;
    if (axis.kind === "channels") return axis.units;
  }
  throw new Error(`A layer of ${shape.family} has no feed-forward channels.`);
}

/** Returns the units to keep of an axis, in ascending order; undefined keeps all. */
export type KeepUnits = (axis: Axis) => readonly number[] | undefined;

/** Returns the tensors of `after`, which differs from the checkpoint in the number of units that `keep` gives. */
export function cutAxes({ shape, tensors }: Checkpoint, after: ModelShape, keep: KeepUnits): Checkpoint {
  const out = new Map<string, HostTensor>();
  const entriesOf = (axis: Axis) => listEntries(axis, keep(axis));
  for (const { matrix, bias, stored, split } of listMatrixSlots(shape)) {
    const outputs = listOutputs(matrix, entriesOf);
    for (const each of split ? stored.map((part) => part.matrix) : [matrix]) {
      const ends = [entriesOf(each.axes[0]), listOutputs(each, entriesOf)] as const;
      const [rows, columns] = each.layout === "in_out" ? ends : [ends[1], ends[0]];
      const name = weightName(each);
      out.set(name, pickEntries(tensors.get(name)!, readFloats(tensors, name), rows, columns));
    }
    if (bias !== undefined) {
      const { name } = bias.spec;
      out.set(name, pickEntries(tensors.get(name)!, readFloats(tensors, name), outputs, undefined));
    }
  }
  for (const { name, axes: [axis] = [] } of tensorsOf(shape)) {
    const entries = axis === undefined ? undefined : entriesOf(axis);
    out.set(name, pickEntries(tensors.get(name)!, readFloats(tensors, name), entries, undefined));
  }
  const names = parametersOf(after).map(({ name }) => name);
  return { shape: after, tensors: new Map(names.map((name) => [name, out.get(name)!])) };
}

/** The outputs of the parts of a packed matrix follow one another. */
function listOutputs(
  { axes, parts, outputs }: MatrixSpec,
  entriesOf: (axis: Axis) => readonly number[] | undefined,
): readonly number[] | undefined {
  if (parts === undefined) return entriesOf(axes[1]);
  const entries = parts.flatMap(({ axis, from, to }) =>
    (entriesOf(axis) ?? range(to - from)).map((each) => from + each),
  );
  return entries.length === outputs ? undefined : entries;
}

function listEntries({ unit }: Axis, units: readonly number[] | undefined): readonly number[] | undefined {
  return units?.flatMap((each) => range(unit).map((i) => each * unit + i));
}

/** Undefined keeps the whole axis; a vector has rows only. */
function pickEntries(
  tensor: HostTensor,
  data: Float32Array,
  rows: readonly number[] | undefined,
  columns: readonly number[] | undefined,
): HostTensor {
  if (rows === undefined && columns === undefined) return tensor;
  const [height, width] = tensor.shape as [number, number | undefined];
  const [keptRows, keptColumns] = [rows ?? range(height), columns ?? range(width ?? 1)];
  const out = new Float32Array(keptRows.length * keptColumns.length);
  keptRows.forEach((row, i) =>
    keptColumns.forEach((column, j) => {
      out[i * keptColumns.length + j] = data[row * (width ?? 1) + column]!;
    }),
  );
  return {
    shape: width === undefined ? [keptRows.length] : [keptRows.length, keptColumns.length],
    data: out,
  };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
