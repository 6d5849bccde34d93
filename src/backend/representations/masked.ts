/** A dense matrix with a fixed 0/1 mask, from unstructured or n:m pruning. */
import * as z from "zod";
import { scalar, type Shape, type Value } from "../graph/op";
import { where } from "../graph/ops/elementwise";
import { matmul } from "../graph/ops/matmul";
import { requireFloats, denseShape, toInOut, weightName } from "./dense";
import {
  defineRepresentation,
  type MatrixSpec,
  countNonZeros,
  type ParameterSpec,
  scalarBits,
  type TensorSource,
  type ValueSource,
  createWeightSpec,
} from "./representation";

export interface MaskedOptions {
  /** Number of scalars that the mask keeps, so that counts are exact without reading tensors. */
  readonly kept?: number | undefined;
}

export const maskName = (matrix: MatrixSpec): string => `${matrix.name}.weight_mask`;

/** The mask of a tensor of this shape; 1 for kept scalars. */
export function maskSpec(matrix: MatrixSpec, shape: Shape): ParameterSpec {
  return {
    ...createWeightSpec(matrix, "weight_mask", shape, { kind: "ones" }),
    dtype: "bool",
    packing: { integers: { bits: 1, lowest: 0 } },
    trainable: false,
    decay: false,
  };
}

// Masks the product, whatever values the weight tensor has, so that no gradient reaches pruned scalars.
function applyMask(values: ValueSource, matrix: MatrixSpec): Value {
  return where(values(maskName(matrix)), values(weightName(matrix)), scalar(0));
}

function readMasked(tensors: TensorSource, matrix: MatrixSpec): Float32Array {
  const mask = tensors(maskName(matrix));
  return requireFloats(weightName(matrix), tensors(weightName(matrix))).map((each, i) =>
    mask[i] ? each : 0,
  );
}

export default defineRepresentation<MaskedOptions>({
  title: "Masked",
  worth:
    "Zeros are stored and multiplied like other numbers, in addition to the mask. It saves nothing unless a file packs the kept values with a bitmap.",
  options: z.strictObject({
    kept: z.int().min(0).optional().describe("Number of scalars that the mask keeps. Default: all."),
  }),
  refuses: (matrix, { kept }) =>
    kept !== undefined && kept > matrix.inputs * matrix.outputs
      ? `the mask cannot keep ${kept} of ${matrix.inputs * matrix.outputs} scalars`
      : undefined,
  parameters: (matrix) => {
    const shape = denseShape(matrix);
    return [
      {
        ...createWeightSpec(matrix, "weight", shape),
        name: weightName(matrix),
        packing: { keptBy: maskName(matrix) },
      },
      maskSpec(matrix, shape),
    ];
  },
  apply: (x, values, matrix) =>
    matmul(x, applyMask(values, matrix), { transposeB: matrix.layout === "out_in" }),
  dense: applyMask,
  materialize: (tensors, matrix) => toInOut(readMasked(tensors, matrix), matrix),
  // A bitmap with one bit per scalar, followed by the kept values.
  count: (matrix, { kept }, tensors) => {
    const all = matrix.inputs * matrix.outputs;
    const stored = tensors === undefined ? (kept ?? all) : countNonZeros(tensors(maskName(matrix)));
    return {
      trainable: stored,
      stored,
      nonZero: tensors === undefined ? stored : countNonZeros(readMasked(tensors, matrix)),
      bits: all + stored * scalarBits,
    };
  },
});
