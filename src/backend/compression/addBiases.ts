/** Finds and adds the biases to which methods move the mean output of what they remove. */
import { WorkbenchError } from "../../protocol/errors";
import { listMatrixSlots, type ModelShape, parametersOf, withRepresentations } from "../models/model";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { createZeros } from "../training/startState";
import { readFloats } from "./unpackTargets";

/**
 * Returns the shape with a bias for each of the roles, or for the matrices that contain them. `advice` ends the error for a
 * family without such biases: it names what to do.
 */
export function addBiases(
  title: string,
  shape: ModelShape,
  roles: readonly string[],
  advice: string,
): ModelShape {
  const refuse = (role: string, why: string): never => {
    throw new WorkbenchError("unsupported", `${title} cannot be applied: ${role} ${why}. ${advice}`);
  };
  const keys = roles.flatMap((role) => {
    const { bias, key } = findBias(shape, role);
    if (bias?.mask !== undefined) refuse(role, "has a pruned bias");
    if (bias !== undefined) return [];
    return [key ?? refuse(role, `has no bias, and ${shape.family} models do not support one there`)];
  });
  if (keys.length === 0) return shape;
  const config = { ...shape.config, ...Object.fromEntries(keys.map((key) => [key, true])) };
  return withRepresentations({ ...shape, config }, {});
}

/** Adds zero tensors for the biases that `shape` has and the checkpoint does not. */
export function addBiasTensors({ tensors }: Checkpoint, shape: ModelShape): Checkpoint {
  const entries = parametersOf(shape).map(
    ({ name, shape: size }) => [name, tensors.get(name) ?? createZeros(size)] as const,
  );
  return { shape, tensors: new Map(entries) };
}

/** Adds a shift [outputs] of the role to its bias. */
export function shiftBias(
  shape: ModelShape,
  tensors: ReadonlyMap<string, HostTensor>,
  role: string,
  shift: Float64Array,
): readonly [name: string, tensor: HostTensor] {
  const { bias, from } = findBias(shape, role);
  const { name, shape: size } = bias!.spec;
  const data = readFloats(tensors, name).slice();
  shift.forEach((each, i) => (data[from + i]! += each));
  return [name, { shape: size, data }];
}

/** The bias of a matrix. Those of a part start at output `from`. */
function findBias(shape: ModelShape, role: string) {
  for (const { matrix, bias } of listMatrixSlots(shape)) {
    if (matrix.role === role) return { bias, from: 0, key: matrix.biasKey };
    const part = matrix.parts?.find((each) => each.role === role);
    if (part !== undefined) return { bias, from: part.from, key: matrix.biasKey };
  }
  throw new Error(`The model has no matrix ${role}.`);
}
