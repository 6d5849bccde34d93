/**
 * A dense matrix that reads only its first inputs and fills only its first outputs: what structured pruning leaves when the
 * heads or channels that stay have been moved to the front. The other outputs are zero, and nobody reads them.
 */
import * as z from "zod";
import { matmul } from "../graph/ops/matmul";
import { pad, slice } from "../graph/ops/movement";
import type { Value } from "../graph/op";
import { asFloats, weightName } from "./dense";
import { defineRepresentation, type MatrixSpec, weightSpec } from "./representation";

export interface SlicedOptions {
  /** How many there are of each; all where it is left out. */
  readonly inputs?: number | undefined;
  readonly outputs?: number | undefined;
}

/** [inputs, outputs] that are left. */
export function slicedSizes(
  { inputs, outputs }: MatrixSpec,
  options: SlicedOptions,
): readonly [inputs: number, outputs: number] {
  return [options.inputs ?? inputs, options.outputs ?? outputs];
}

/** In the order in which the matrix is stored. */
export function slicedShape(matrix: MatrixSpec, options: SlicedOptions): readonly [number, number] {
  const [inputs, outputs] = slicedSizes(matrix, options);
  return matrix.layout === "in_out" ? [inputs, outputs] : [outputs, inputs];
}

function padded(x: Value, axis: number, size: number): Value {
  const own = x.type.shape[axis]!;
  return own === size ? x : pad(x, { axis, before: 0, after: size - own });
}

export default defineRepresentation<SlicedOptions>({
  title: "Sliced",
  worth: "A smaller dense matrix: what is gone is neither written, held nor multiplied.",
  options: z.strictObject({
    inputs: z.int().min(1).optional().describe("First inputs that are read; all when left out."),
    outputs: z.int().min(1).optional().describe("First outputs that are filled; all when left out."),
  }),
  refuses: ({ inputs, outputs }, options) =>
    (options.inputs ?? 0) > inputs || (options.outputs ?? 0) > outputs
      ? `it has ${inputs} inputs and ${outputs} outputs, which are fewer`
      : undefined,
  parameters: (matrix, options) => [weightSpec(matrix, "weight", slicedShape(matrix, options))],
  apply: (x, values, matrix, options) => {
    const [inputs] = slicedSizes(matrix, options);
    const read = inputs === matrix.inputs ? x : slice(x, { axis: 1, start: 0, end: inputs });
    const y = matmul(read, values(weightName(matrix)), { transposeB: matrix.layout === "out_in" });
    return padded(y, 1, matrix.outputs);
  },
  dense: (values, matrix) => {
    const [rows, columns] =
      matrix.layout === "in_out" ? [matrix.inputs, matrix.outputs] : [matrix.outputs, matrix.inputs];
    return padded(padded(values(weightName(matrix)), 0, rows), 1, columns);
  },
  materialise: (tensors, matrix, options) => {
    const own = asFloats(weightName(matrix), tensors(weightName(matrix)));
    const [inputs, outputs] = slicedSizes(matrix, options);
    const out = new Float32Array(matrix.inputs * matrix.outputs);
    for (let input = 0; input < inputs; input++)
      for (let output = 0; output < outputs; output++)
        out[input * matrix.outputs + output] =
          own[matrix.layout === "in_out" ? input * outputs + output : output * inputs + input]!;
    return out;
  },
});
