/**
 * Groups the matrices that shrink together because their outputs or inputs share an axis. Only the axes of a family are read,
 * so that a new family needs nothing else.
 */
import type { Axis, AxisKind, MatrixSpec } from "../representations/representation";
import { listMatrixSlots, type ModelShape, partsOf, tensorsOf } from "./model";

export interface CoupledGroup {
  readonly kind: AxisKind;
  /** Absent for an axis of the whole model. */
  readonly layer?: number | undefined;
  readonly units: number;
  /** Matrices whose outputs are the units; parts of packed matrices are listed separately. */
  readonly producers: readonly MatrixSpec[];
  /** Matrices whose inputs are the units. */
  readonly consumers: readonly MatrixSpec[];
  /** Names of other tensors along the units: norms. */
  readonly vectors: readonly string[];
}

/** Lists the groups in forward order. */
export function listCoupledGroups(shape: ModelShape): CoupledGroup[] {
  const groups = new Map<string, { -readonly [K in keyof CoupledGroup]: CoupledGroup[K] }>();
  const groupOf = ({ kind, layer, units }: Axis, where: string) => {
    const key = `${kind} ${layer ?? ""}`;
    const group = groups.get(key) ?? { kind, layer, units, producers: [], consumers: [], vectors: [] };
    groups.set(key, group);
    if (group.units !== units)
      throw new Error(`${where} has ${units} ${key} where others have ${group.units}.`);
    return group;
  };
  const add = (matrix: MatrixSpec, end: 0 | 1) => {
    const axis = matrix.axes[end];
    if (axis.kind === "packed") return;
    const group = groupOf(axis, matrix.role);
    if (end === 0) group.consumers = [...group.consumers, matrix];
    else group.producers = [...group.producers, matrix];
  };
  for (const { matrix } of listMatrixSlots(shape)) {
    add(matrix, 0);
    for (const part of matrix.parts === undefined ? [matrix] : partsOf(matrix)) add(part, 1);
  }
  for (const { name, axes = [] } of tensorsOf(shape))
    for (const axis of axes) {
      const group = groupOf(axis, name);
      group.vectors = [...group.vectors, name];
    }
  return [...groups.values()];
}

/** Whether an axis of the matrix or of its parts is of the kind. */
export function hasAxis({ axes, parts = [] }: MatrixSpec, kind: AxisKind): boolean {
  return [...axes, ...parts.map(({ axis }) => axis)].some((axis) => axis.kind === kind);
}
