/** A low-rank matrix W = A·B, such as from a truncated singular value decomposition. Its pieces are the two factors. */
import * as z from "zod";
import { matmul } from "../graph/ops/matmul";
import { transpose } from "../graph/ops/movement";
import { bondAxis, createPiece, defineComposite } from "./composite";
import type { MatrixSpec } from "./representation";

export interface FactoredOptions {
  readonly rank: number;
}

/** The dense tensors of A [inputs, rank] and B [rank, outputs]. */
export const factorNames = (matrix: MatrixSpec) =>
  [`${matrix.name}.weight_in`, `${matrix.name}.weight_out`] as const;

export default defineComposite<FactoredOptions>({
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
  pieces: (matrix, { rank }) => {
    const { name, inputs, outputs, axes } = matrix;
    const [left, right] = factorNames(matrix);
    return [
      createPiece(matrix, "in", {
        name: `${name}.in`,
        weight: { name: left },
        layout: "in_out",
        inputs,
        outputs: rank,
        axes: [axes[0], bondAxis(rank)],
      }),
      createPiece(matrix, "out", {
        name: `${name}.out`,
        weight: { name: right },
        layout: "in_out",
        inputs: rank,
        outputs,
        axes: [bondAxis(rank), axes[1]],
      }),
    ];
  },
  apply: (x, [a, b]) => b!.apply(a!.apply(x)),
  dense: ([a, b], { layout }) => {
    const weight = matmul(a!, b!);
    return layout === "in_out" ? weight : transpose(weight, { perm: [1, 0] });
  },
  materialize: ([a, b], { inputs, outputs }, { rank }) => {
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
