/**
 * A dense matrix that reads only its first inputs and computes only its first outputs. Structured pruning moves the kept
 * heads or channels to the front. The other outputs are zero and are not read.
 */
import * as z from "zod";
import { matmul } from "../graph/ops/matmul";
import { pad, slice } from "../graph/ops/movement";
import type { Value } from "../graph/op";
import { requireFloats, weightName } from "./dense";
import { defineRepresentation, type MatrixSpec, createWeightSpec } from "./representation";

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

/** The shape in the layout of the matrix. */
export function getSlicedShape(matrix: MatrixSpec, options: SlicedOptions): readonly [number, number] {
  const [inputs, outputs] = getSlicedSizes(matrix, options);
  return matrix.layout === "in_out" ? [inputs, outputs] : [outputs, inputs];
}

function padTo(x: Value, axis: number, size: number): Value {
  const currentSize = x.type.shape[axis]!;
  return currentSize === size ? x : pad(x, { axis, before: 0, after: size - currentSize });
}

export default defineRepresentation<SlicedOptions>({
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
  parameters: (matrix, options) => [createWeightSpec(matrix, "weight", getSlicedShape(matrix, options))],
  apply: (x, values, matrix, options) => {
    const [inputs] = getSlicedSizes(matrix, options);
    const read = inputs === matrix.inputs ? x : slice(x, { axis: 1, start: 0, end: inputs });
    const y = matmul(read, values(weightName(matrix)), { transposeB: matrix.layout === "out_in" });
    return padTo(y, 1, matrix.outputs);
  },
  dense: (values, matrix) => {
    const [rows, columns] =
      matrix.layout === "in_out" ? [matrix.inputs, matrix.outputs] : [matrix.outputs, matrix.inputs];
    return padTo(padTo(values(weightName(matrix)), 0, rows), 1, columns);
  },
  materialize: (tensors, matrix, options) => {
    const weight = requireFloats(weightName(matrix), tensors(weightName(matrix)));
    const [inputs, outputs] = getSlicedSizes(matrix, options);
    const out = new Float32Array(matrix.inputs * matrix.outputs);
    for (let input = 0; input < inputs; input++)
      for (let output = 0; output < outputs; output++)
        out[input * matrix.outputs + output] =
          weight[matrix.layout === "in_out" ? input * outputs + output : output * inputs + input]!;
    return out;
  },
});
