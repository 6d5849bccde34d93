/**
 * What shrinks together: every matrix whose outputs or inputs run over the same axis. Nothing but the axes of a family is
 * read, so that a family written tomorrow has its groups too.
 */
import type { Axis, AxisKind, MatrixSpec } from "../representations/representation";
import { matrixSlots, type ModelShape, partsOf, tensorsOf } from "./model";

export interface CoupledGroup {
  readonly kind: AxisKind;
  /** Absent where it is of the whole model. */
  readonly layer?: number | undefined;
  readonly units: number;
  /** Matrices whose outputs are the units, the parts of packed ones each on their own. */
  readonly producers: readonly MatrixSpec[];
  /** Matrices whose inputs are the units. */
  readonly consumers: readonly MatrixSpec[];
  /** Tensors that are not matrices and run over the units, by name: norms. */
  readonly vectors: readonly string[];
}

/** In the order in which a text meets them. */
export function coupledGroups(shape: ModelShape): CoupledGroup[] {
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
  for (const { matrix } of matrixSlots(shape)) {
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

/** Whether one of its axes, or of its parts', is of the kind. */
export function runsOver({ axes, parts = [] }: MatrixSpec, kind: AxisKind): boolean {
  return [...axes, ...parts.map(({ axis }) => axis)].some((axis) => axis.kind === kind);
}
