/** The tensors of a model for a method that changes some of them: packed matrices of which only some parts are meant stored part by part. */
import { splitPacked } from "../models/huggingFace";
import { requireFloats, toInOut, weightName } from "../representations/dense";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import type { Target } from "./targets";

/** A copy of the map; the tensors in it are those of the checkpoint, and not to be written into. */
export function takenApart(
  { tensors: given }: Pick<Checkpoint, "tensors">,
  targets: readonly Target[],
): Map<string, HostTensor> {
  const tensors = new Map(given);
  for (const packed of new Set(targets.flatMap(({ packedIn }) => packedIn ?? []))) {
    const name = weightName(packed);
    const weight = floatsOf(tensors, name);
    tensors.delete(name);
    for (const { name: part, shape, data } of splitPacked(packed, weight)) tensors.set(part, { shape, data });
  }
  return tensors;
}

/** The name of the tensor that a dense or masked target is in now, be it with others. */
export const tensorOf = ({ matrix, packedIn }: Target): string => weightName(packedIn ?? matrix);

export function floatsOf(tensors: ReadonlyMap<string, HostTensor>, name: string): Float32Array {
  return requireFloats(name, tensors.get(name)!.data as Float32Array);
}

/** [inputs, outputs] of a matrix out of what belongs to the whole that it is stored in. */
export function partOf(data: Float32Array, { matrix, packedIn }: Target): Float32Array {
  const whole = packedIn ?? matrix;
  const all = toInOut(data, whole);
  if (packedIn === undefined) return all;
  const from = packedIn.parts!.find(({ role }) => role === matrix.role)!.from;
  return Float32Array.from({ length: matrix.inputs * matrix.outputs }, (_, i) => {
    const [input, output] = [Math.floor(i / matrix.outputs), i % matrix.outputs];
    return all[input * whole.outputs + from + output]!;
  });
}
