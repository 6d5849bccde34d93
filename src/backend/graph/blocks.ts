/**
 * Elementwise composites in blocks. An executor that runs one primitive at a time writes every intermediate value to memory
 * and reads it back; in blocks that fit into the cache, only the inputs and the output of the composite are moved.
 */
import { type Body, bodyOf, type CompositeCall } from "./composite";
import { input, sizeOf } from "./op";

/** Elements of a block for each thread: the values of a composite then fit into the second-level cache of a core. */
export const blockSizePerThread = 16_384;

/** The intermediate values of smaller tensors stay in the cache without blocks. */
const fewestBlocks = 32;

/** The size of equal blocks of at most `most` elements, in which a call is computed; undefined if it is computed whole. */
export function findBlockSize({ op, type }: CompositeCall, most: number): number | undefined {
  const size = sizeOf(type.shape);
  const fewest = Math.ceil(size / most);
  if (op.elementwise !== true || fewest < fewestBlocks) return undefined;
  for (let count = fewest; count <= 2 * fewest; count++) if (size % count === 0) return size / count;
  return undefined;
}

/** The body of an elementwise call for one block [size] of each input. */
export function getBlockBody(call: CompositeCall, size: number): Body {
  return bodyOf({ ...call, inputs: call.inputs.map(({ type }, i) => input(`x${i}`, [size], type.dtype)) });
}
