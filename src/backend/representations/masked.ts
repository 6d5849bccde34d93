/** A dense matrix of which a fixed 0/1 mask keeps some scalars: what unstructured and n:m pruning leave behind. */
import * as z from "zod";
import { scalar, type Shape, type Value } from "../graph/op";
import { where } from "../graph/ops/elementwise";
import { matmul } from "../graph/ops/matmul";
import { asFloats, denseShape, toInOut, weightName } from "./dense";
import {
  defineRepresentation,
  type MatrixSpec,
  nonZeros,
  type ParameterSpec,
  scalarBits,
  type TensorSource,
  type ValueSource,
  weightSpec,
} from "./representation";

export interface MaskedOptions {
  /** How many scalars the mask keeps, so that counts are exact before any tensor is read. */
  readonly kept?: number | undefined;
}

export const maskName = (matrix: MatrixSpec): string => `${matrix.name}.weight_mask`;

/** 1 for what is kept, of a tensor of this shape. */
export function maskSpec(matrix: MatrixSpec, shape: Shape): ParameterSpec {
  return {
    ...weightSpec(matrix, "weight_mask", shape, { kind: "ones" }),
    dtype: "bool",
    packing: { integers: { bits: 1, lowest: 0 } },
    trainable: false,
    decay: false,
  };
}

// Dropped scalars stay out of the product whatever the weight tensor holds there, and no gradient reaches them.
function maskedWeight(values: ValueSource, matrix: MatrixSpec): Value {
  return where(values(maskName(matrix)), values(weightName(matrix)), scalar(0));
}

function effective(tensors: TensorSource, matrix: MatrixSpec): Float32Array {
  const mask = tensors(maskName(matrix));
  return asFloats(weightName(matrix), tensors(weightName(matrix))).map((each, i) => (mask[i] ? each : 0));
}

export default defineRepresentation<MaskedOptions>({
  title: "Masked",
  worth:
    "Its zeros are written, held and multiplied like any other number, and a mask stands beside them: nothing is saved unless a file packs the kept values with a bitmap.",
  options: z.strictObject({
    kept: z.int().min(0).optional().describe("Scalars that the mask keeps; all of them when left out."),
  }),
  refuses: (matrix, { kept }) =>
    kept !== undefined && kept > matrix.inputs * matrix.outputs
      ? `the mask would keep ${kept} of ${matrix.inputs * matrix.outputs} scalars`
      : undefined,
  parameters: (matrix) => {
    const shape = denseShape(matrix);
    return [
      { ...weightSpec(matrix, "weight", shape), packing: { keptBy: maskName(matrix) } },
      maskSpec(matrix, shape),
    ];
  },
  apply: (x, values, matrix) =>
    matmul(x, maskedWeight(values, matrix), { transposeB: matrix.layout === "out_in" }),
  dense: maskedWeight,
  materialise: (tensors, matrix) => toInOut(effective(tensors, matrix), matrix),
  // A bitmap of one bit a scalar, then the kept values.
  count: (matrix, { kept }, tensors) => {
    const all = matrix.inputs * matrix.outputs;
    const stored = tensors === undefined ? (kept ?? all) : nonZeros(tensors(maskName(matrix)));
    return {
      trainable: stored,
      stored,
      nonZero: tensors === undefined ? stored : nonZeros(effective(tensors, matrix)),
      bits: all + stored * scalarBits,
    };
  },
});
