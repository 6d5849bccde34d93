/** The matrices along heads or channels, and what is left of them when some of the units are removed. */
import { isPieceRole } from "../../models/biases";
import type { RepresentationChoices } from "../../models/family";
import { listMatrixSlots, type ModelShape } from "../../models/model";
import { denseShape, fromInOut, toInOut, weightName } from "../../representations/dense";
import factored, { type FactoredOptions } from "../../representations/factored";
import type { MatrixSpec } from "../../representations/representation";
import { findKept, type SlicedOptions } from "../../representations/sliced";
import type { HostTensor } from "../../checkpoints/safetensors";
import { selectDenseTargets } from "../denseTargets";
import { readFloats } from "../unpackTargets";
import type { Target } from "../targets";

/** A dense matrix along the units. Of a factored matrix, it is the factor that has the units. */
export interface UnitTarget extends Target {
  /** The matrix that is stored: the target, or the factored matrix. Of a matrix that is sliced already, it is what is left. */
  readonly content: Target;
  /** The matrix or part of the family, and how much of it is left. */
  readonly whole: MatrixSpec;
  readonly sliced: SlicedOptions;
  /** The matrix that has the bias, and the first output of the target in it. */
  readonly slot: MatrixSpec;
  readonly from: number;
}

/** Returns what can be cut of each matrix; throws if one is neither dense, factored nor sliced. */
export function findUnitTargets(
  title: string,
  shape: ModelShape,
  matrices: readonly MatrixSpec[],
  units: "inputs" | "outputs",
): UnitTarget[] {
  const roles = new Set(matrices.map(({ role }) => role));
  const contents = selectDenseTargets(
    title,
    shape,
    {},
    ({ role }) => roles.has(role),
    ["factored"],
    ({ type, pieces }) =>
      type !== "sliced" && (type !== "factored" || pieces.every((piece) => piece.type === "dense")),
  );
  const slots = listMatrixSlots(shape);
  return contents.map((content) => {
    const covers = ({ role }: Pick<MatrixSpec, "role">) =>
      role === content.matrix.role || isPieceRole(content.matrix.role, role);
    const slot = slots.find(({ matrix }) => covers(matrix) || (matrix.parts ?? []).some(covers))!;
    const part = slot.matrix.parts?.find(covers);
    const stored = slot.stored.find(({ matrix }) => covers(matrix));
    const isSliced = stored?.type === "sliced";
    return {
      ...(content.pieces.at(units === "inputs" ? 0 : -1) ?? content),
      content,
      whole: isSliced ? stored.matrix : content.matrix,
      sliced: isSliced ? (stored.options as SlicedOptions) : {},
      slot: slot.matrix,
      from: part?.from ?? 0,
    };
  });
}

/** What is left of the stored matrix. */
function shorten({ content }: UnitTarget, sizes: SlicedOptions): MatrixSpec {
  const { inputs, outputs } = content.matrix;
  return { ...content.matrix, inputs: sizes.inputs ?? inputs, outputs: sizes.outputs ?? outputs };
}

/** The rank of two factors, unless what is left of their product has no more scalars. */
function findRank(target: UnitTarget, { inputs, outputs }: MatrixSpec): number | undefined {
  if (target.content.type !== "factored") return undefined;
  const { rank } = target.content.options as FactoredOptions;
  return rank * (inputs + outputs) < inputs * outputs ? rank : undefined;
}

/** The representations of a target of which only the first inputs or outputs are left. */
export function chooseCut(target: UnitTarget, sizes: SlicedOptions): RepresentationChoices {
  const { whole, sliced } = target;
  const options = { ...sliced, ...sizes };
  const rank = findRank(target, shorten(target, sizes));
  return {
    [whole.role]: { type: "sliced", options },
    ...(rank === undefined
      ? {}
      : { [findKept(whole, options).role]: { type: "factored", options: { rank } } }),
  };
}

/** Keeps these inputs or outputs of a target, in their order. */
export function cutTarget(
  tensors: Map<string, HostTensor>,
  target: UnitTarget,
  { inputs, outputs }: { readonly inputs?: readonly number[]; readonly outputs?: readonly number[] },
): void {
  const { matrix, content } = target;
  const name = weightName(matrix);
  const dense = toInOut(readFloats(tensors, name), matrix);
  const rows = inputs ?? Array.from({ length: matrix.inputs }, (_, i) => i);
  const columns = outputs ?? Array.from({ length: matrix.outputs }, (_, i) => i);
  const values = new Float32Array(rows.length * columns.length);
  rows.forEach((row, i) =>
    columns.forEach((column, j) => (values[i * columns.length + j] = dense[row * matrix.outputs + column]!)),
  );
  const small = { ...matrix, inputs: rows.length, outputs: columns.length };
  tensors.set(name, { shape: denseShape(small), data: fromInOut(values, small) });
  const left = shorten(target, {
    ...(inputs === undefined ? {} : { inputs: inputs.length }),
    ...(outputs === undefined ? {} : { outputs: outputs.length }),
  });
  if (content.type !== "factored" || findRank(target, left) !== undefined) return;
  const product = factored.materialize(
    (factor) => readFloats(tensors, factor),
    left,
    content.options as FactoredOptions,
  );
  tensors.set(weightName(left), { shape: denseShape(left), data: fromInOut(product, left) });
}
