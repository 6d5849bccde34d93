/** Prepares the tensors of a model for a method that changes some of them: splits packed matrices of which only some parts are targets. */
import { splitPacked } from "../models/huggingFace";
import { requireFloats, toInOut, weightName } from "../representations/dense";
import type { TensorData } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import type { Target } from "./targets";

/** Returns a copy of the map. The tensors are shared with the checkpoint and must not be modified. */
export function unpackTargets(
  { tensors: source }: Pick<Checkpoint, "tensors">,
  targets: readonly Target[],
): Map<string, HostTensor> {
  const tensors = new Map(source);
  for (const packed of new Set(targets.flatMap(({ packedIn }) => packedIn ?? []))) {
    const name = weightName(packed);
    const weight = readFloats(tensors, name);
    tensors.delete(name);
    for (const { name: part, shape, data } of splitPacked(packed, weight)) tensors.set(part, { shape, data });
  }
  return tensors;
}

/** The name of the tensor that holds a dense or masked target now, possibly with other parts. */
export const getTensorName = ({ matrix, packedIn }: Target): string => weightName(packedIn ?? matrix);

/** The names of the tensors of a target, once packed matrices are split. */
export const listTensorNames = ({ matrix, representation, options }: Target): string[] =>
  representation.parameters(matrix, options).map(({ name }) => name);

/** The scalars that a target stores. */
export const countStored = ({ matrix, representation, options }: Target): number =>
  representation.count(matrix, options).stored;

/** Reads the [inputs, outputs] values of a target, however it is stored, once packed matrices are split. */
export function readDense(
  tensors: ReadonlyMap<string, HostTensor>,
  { matrix, representation, options }: Target,
): Float32Array {
  return representation.materialize((name) => tensors.get(name)!.data as TensorData, matrix, options);
}

export function readFloats(tensors: ReadonlyMap<string, HostTensor>, name: string): Float32Array {
  return requireFloats(name, tensors.get(name)!.data as Float32Array);
}

/** Extracts the [inputs, outputs] values of a target from those of the tensor that holds it. */
export function extractPart(data: Float32Array, { matrix, packedIn }: Target): Float32Array {
  const whole = packedIn ?? matrix;
  const all = toInOut(data, whole);
  if (packedIn === undefined) return all;
  const from = packedIn.parts!.find(({ role }) => role === matrix.role)!.from;
  return Float32Array.from({ length: matrix.inputs * matrix.outputs }, (_, i) => {
    const [input, output] = [Math.floor(i / matrix.outputs), i % matrix.outputs];
    return all[input * whole.outputs + from + output]!;
  });
}
