/** Finds and adds the biases to which methods move the mean output of what they remove. */
import { WorkbenchError } from "../../protocol/errors";
import { isPieceRole } from "../models/biases";
import { listMatrixSlots, type ModelShape, parametersOf, withRepresentations } from "../models/model";
import { listWithPieces } from "../models/weights";
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

/** Whether a mean can be added to the bias of a role: it has one, and none of it is pruned. */
export function hasBias(shape: ModelShape, role: string): boolean {
  const { bias } = findBias(shape, role);
  return bias !== undefined && bias.mask === undefined;
}

/** The bias of a matrix. Those of a part start at output `from`. A piece has one if its outputs are the first of the matrix. */
function findBias(shape: ModelShape, role: string) {
  for (const { matrix, bias, stored } of listMatrixSlots(shape)) {
    const slotBias = { bias, from: 0, key: matrix.biasKey };
    if (matrix.role === role) return slotBias;
    const part = matrix.parts?.find((each) => each.role === role || isPieceRole(role, each.role));
    const piece = stored.flatMap(listWithPieces).find((each) => each.matrix.role === role)?.matrix;
    const isInner = piece?.axes[1].kind === "bond";
    if (isInner) return { bias: undefined, from: 0, key: undefined };
    if (part !== undefined || piece !== undefined) return { ...slotBias, from: part?.from ?? 0 };
  }
  throw new Error(`The model has no matrix ${role}.`);
}
