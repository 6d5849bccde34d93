/** Groups the targets of a method by the input that they read, in the order in which a model computes it. */
import { input, type Value } from "../../graph/op";
import { createValue, forward, type ModelShape, parametersOf } from "../../models/model";
import { getObservedRole } from "../denseTargets";
import { groupBy } from "../groupBy";
import type { Target } from "../targets";

/** Targets that read the same input. */
export interface InputGroup {
  /** A role at which the input can be observed. */
  readonly role: string;
  readonly targets: readonly Target[];
}

/** The targets of a layer, or of the model's other matrices. */
export interface Stage {
  readonly layer: number | undefined;
  /** In forward order. */
  readonly groups: readonly InputGroup[];
}

/** Stages in forward order. A matrix whose rows are looked up, or whose table is used, is a group of its own before the layers. */
export function listInputGroups(shape: ModelShape, targets: readonly Target[]): Stage[] {
  const inputs = findMatrixInputs(shape);
  const order = [...new Set(inputs.values())];
  const placeOf = (role: string) => order.indexOf(inputs.get(role)!);
  const groups = groupBy(targets, (target) => {
    const role = getObservedRole(target);
    return inputs.get(role) ?? role;
  });
  const sorted = [...groups.values()]
    .map((members) => ({ role: getObservedRole(members[0]!), targets: members }))
    .sort((a, b) => placeOf(a.role) - placeOf(b.role));
  const stages = groupBy(sorted, (group) => group.targets[0]!.matrix.layer ?? placeOf(group.role) < 0);
  return [...stages.values()].map((each) => ({ layer: each[0]!.targets[0]!.matrix.layer, groups: each }));
}

/** The input of each matrix that is applied, and of each piece of one, in forward order. Matrices with the same input share the value. */
function findMatrixInputs(shape: ModelShape): ReadonlyMap<string, Value> {
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const inputs = new Map<string, Value>();
  const onMatrix = (role: string, x: Value) => void inputs.set(role, x);
  forward(
    shape,
    (name) => values.get(name)!,
    { tokens: input("tokens", [1, 1], "int32") },
    { onMatrix, onPiece: onMatrix },
  );
  return inputs;
}
