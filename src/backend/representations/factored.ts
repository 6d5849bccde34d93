/** A low-rank matrix W = A·B, such as from a truncated singular value decomposition. */
import * as z from "zod";
import type { Value } from "../graph/op";
import { matmul } from "../graph/ops/matmul";
import { transpose } from "../graph/ops/movement";
import { requireFloats } from "./dense";
import { defineRepresentation, type MatrixSpec, type ValueSource, createWeightSpec } from "./representation";

export interface FactoredOptions {
  readonly rank: number;
}

/** A [inputs, rank] and B [rank, outputs]. */
export const factorNames = (matrix: MatrixSpec) =>
  [`${matrix.name}.weight_in`, `${matrix.name}.weight_out`] as const;

function product(values: ValueSource, matrix: MatrixSpec): Value {
  const [a, b] = factorNames(matrix);
  return matmul(values(a), values(b));
}

export default defineRepresentation<FactoredOptions>({
  title: "Factored",
  contents: "two low-rank factors",
  worth:
    "Two narrow products replace a wide one. For a square matrix, file, memory and operations shrink below half of full rank.",
  options: z.strictObject({
    rank: z.int().min(1).describe("Columns of the first factor and rows of the second."),
  }),
  refuses: ({ inputs, outputs }, { rank }) =>
    rank > Math.min(inputs, outputs)
      ? `rank ${rank} is higher than the full rank of the matrix, ${Math.min(inputs, outputs)}`
      : undefined,
  parameters: (matrix, { rank }) => [
    createWeightSpec(matrix, "weight_in", [matrix.inputs, rank]),
    createWeightSpec(matrix, "weight_out", [rank, matrix.outputs]),
  ],
  apply: (x, values, matrix) => {
    const [a, b] = factorNames(matrix);
    return matmul(matmul(x, values(a)), values(b));
  },
  dense: (values, matrix) => {
    const weight = product(values, matrix);
    return matrix.layout === "in_out" ? weight : transpose(weight, { perm: [1, 0] });
  },
  materialize: (tensors, matrix, { rank }) => {
    const { inputs, outputs } = matrix;
    const [a, b] = factorNames(matrix).map((name) => requireFloats(name, tensors(name)));
    const out = new Float32Array(inputs * outputs);
    const row = new Float64Array(outputs);
    for (let input = 0; input < inputs; input++) {
      row.fill(0);
      for (let k = 0; k < rank; k++) {
        const left = a![input * rank + k]!;
        for (let output = 0; output < outputs; output++) row[output]! += left * b![k * outputs + output]!;
      }
      out.set(row, input * outputs);
    }
    return out;
  },
});
