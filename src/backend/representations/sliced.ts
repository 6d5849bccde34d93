/**
 * A matrix that reads only its first inputs and computes only its first outputs: the smaller matrix that is left is its piece.
 * Structured pruning moves the kept heads or channels to the front. The other outputs are zero and are not read.
 */
import * as z from "zod";
import { pad, slice } from "../graph/ops/movement";
import type { Value } from "../graph/op";
import { createPiece, defineComposite, shortenAxis } from "./composite";
import { denseShape } from "./dense";
import type { MatrixSpec } from "./representation";

export interface SlicedOptions {
  /** Number of kept inputs and outputs. Default: all. */
  readonly inputs?: number | undefined;
  readonly outputs?: number | undefined;
}

/** Kept [inputs, outputs]. */
export function getSlicedSizes(
  { inputs, outputs }: MatrixSpec,
  options: SlicedOptions,
): readonly [inputs: number, outputs: number] {
  return [options.inputs ?? inputs, options.outputs ?? outputs];
}

/** The smaller matrix that is left. */
export function findKept(matrix: MatrixSpec, options: SlicedOptions): MatrixSpec {
  const [inputs, outputs] = getSlicedSizes(matrix, options);
  const { name, layout, axes } = matrix;
  return createPiece(matrix, "kept", {
    name,
    layout,
    inputs,
    outputs,
    axes: [shortenAxis(axes[0], inputs), shortenAxis(axes[1], outputs)],
  });
}

function padTo(x: Value, axis: number, size: number): Value {
  const currentSize = x.type.shape[axis]!;
  return currentSize === size ? x : pad(x, { axis, before: 0, after: size - currentSize });
}

export default defineComposite<SlicedOptions>({
  title: "Sliced",
  worth: "A smaller dense matrix: pruned inputs and outputs are neither stored nor multiplied.",
  options: z.strictObject({
    inputs: z.int().min(1).optional().describe("Number of leading inputs that are read. Default: all."),
    outputs: z.int().min(1).optional().describe("Number of leading outputs that are computed. Default: all."),
  }),
  refuses: ({ inputs, outputs }, options) =>
    (options.inputs ?? 0) > inputs || (options.outputs ?? 0) > outputs
      ? `the matrix has only ${inputs} inputs and ${outputs} outputs`
      : undefined,
  pieces: (matrix, options) => [findKept(matrix, options)],
  apply: (x, [kept], matrix, options) => {
    const [inputs] = getSlicedSizes(matrix, options);
    const read = inputs === matrix.inputs ? x : slice(x, { axis: 1, start: 0, end: inputs });
    return padTo(kept!.apply(read), 1, matrix.outputs);
  },
  dense: ([kept], matrix) => {
    const [rows, columns] = denseShape(matrix);
    return padTo(padTo(kept!, 0, rows), 1, columns);
  },
  materialize: ([kept], matrix, options) => {
    const [inputs, outputs] = getSlicedSizes(matrix, options);
    const out = new Float32Array(matrix.inputs * matrix.outputs);
    for (let input = 0; input < inputs; input++)
      out.set(kept!.subarray(input * outputs, (input + 1) * outputs), input * matrix.outputs);
    return out;
  },
});
