/** For methods that leave to a bias what a matrix adds on average: where that bias lies, and how a model comes by one. */
import { WorkbenchError } from "../../protocol/errors";
import { matrixSlots, type ModelShape, parametersOf, withRepresentations } from "../models/model";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { zeros } from "../training/startState";
import { floatsOf } from "./takenApart";

/**
 * The shape with a bias for each of the roles, or for the matrices that they are parts of; `instead` tells what to do where
 * the family can have none.
 */
export function withBiases(
  title: string,
  shape: ModelShape,
  roles: readonly string[],
  instead: string,
): ModelShape {
  const refuse = (role: string, why: string): never => {
    throw new WorkbenchError("unsupported", `${title} cannot be applied: ${role} ${why}. ${instead}`);
  };
  const keys = roles.flatMap((role) => {
    const { bias, key } = placeOf(shape, role);
    if (bias?.mask !== undefined) refuse(role, "has a bias of which only a part is kept");
    if (bias !== undefined) return [];
    return [key ?? refuse(role, `has no bias, and in a ${shape.family} model it can have none`)];
  });
  if (keys.length === 0) return shape;
  const config = { ...shape.config, ...Object.fromEntries(keys.map((key) => [key, true])) };
  return withRepresentations({ ...shape, config }, {});
}

/** The tensors of a model that has more biases than before: new ones add nothing. */
export function biased({ tensors }: Checkpoint, shape: ModelShape): Checkpoint {
  const own = parametersOf(shape).map(
    ({ name, shape: size }) => [name, tensors.get(name) ?? zeros(size)] as const,
  );
  return { shape, tensors: new Map(own) };
}

/** The bias with a shift [outputs] of the role added. */
export function shifted(
  shape: ModelShape,
  tensors: ReadonlyMap<string, HostTensor>,
  role: string,
  shift: Float64Array,
): readonly [name: string, tensor: HostTensor] {
  const { bias, from } = placeOf(shape, role);
  const { name, shape: size } = bias!.spec;
  const data = floatsOf(tensors, name).slice();
  shift.forEach((each, i) => (data[from + i]! += each));
  return [name, { shape: size, data }];
}

/** The bias of a matrix, of which a part has the outputs from `from` on. */
function placeOf(shape: ModelShape, role: string) {
  for (const { matrix, bias } of matrixSlots(shape)) {
    if (matrix.role === role) return { bias, from: 0, key: matrix.biasKey };
    const part = matrix.parts?.find((each) => each.role === role);
    if (part !== undefined) return { bias, from: part.from, key: matrix.biasKey };
  }
  throw new Error(`The model has no matrix ${role}.`);
}
