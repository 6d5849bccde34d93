/**
 * A matrix as a sum of Kronecker products, W = Σ_k A_k ⊗ B_k (Edalati et al., KnGPT2, 2022). With two sites a matrix product
 * operator of bond dimension χ is exactly such a sum of χ terms (CompactifAI, Tomut et al. 2024).
 */
import * as z from "zod";
import type { Value } from "../graph/op";
import { matmul } from "../graph/ops/matmul";
import { reshape, transpose } from "../graph/ops/movement";
import { asFloats } from "./dense";
import {
  defineRepresentation,
  type MatrixSpec,
  nonZeros,
  scalarBits,
  type ValueSource,
  weightSpec,
} from "./representation";

export interface KroneckerOptions {
  /** Inputs and outputs of each A_k; those of B_k follow. */
  readonly a: readonly [number, number];
  readonly terms: number;
}

/** A [terms, inputs of A, outputs of A] and B [terms, inputs of B, outputs of B]. */
export const kroneckerNames = (matrix: MatrixSpec) =>
  [`${matrix.name}.weight_a`, `${matrix.name}.weight_b`] as const;

export interface KroneckerSizes {
  readonly m1: number;
  readonly n1: number;
  readonly m2: number;
  readonly n2: number;
}

export function kroneckerSizes({ inputs, outputs }: MatrixSpec, a: KroneckerOptions["a"]): KroneckerSizes {
  return { m1: a[0], n1: a[1], m2: inputs / a[0], n2: outputs / a[1] };
}

/** [inputs, outputs]: all terms in one product of what each factor is as a row, and then every entry to its place. */
function assembled(values: ValueSource, matrix: MatrixSpec, { a, terms }: KroneckerOptions): Value {
  const { m1, n1, m2, n2 } = kroneckerSizes(matrix, a);
  const [aName, bName] = kroneckerNames(matrix);
  const left = reshape(values(aName), { shape: [terms, m1 * n1] });
  const right = reshape(values(bName), { shape: [terms, m2 * n2] });
  const all = reshape(matmul(left, right, { transposeA: true }), { shape: [m1, n1, m2, n2] });
  return reshape(transpose(all, { perm: [0, 2, 1, 3] }), { shape: [matrix.inputs, matrix.outputs] });
}

export default defineRepresentation<KroneckerOptions>({
  title: "Kronecker products",
  worth:
    "The factors are stored, and multiplied one after the other while the terms are few: file, memory and operations shrink. Of many terms the matrix is put together for every pass, so that only the file is smaller.",
  options: z.strictObject({
    a: z
      .tuple([z.int().min(1), z.int().min(1)])
      .describe("Inputs and outputs of the first factor; they divide those of the matrix."),
    terms: z.int().min(1).default(1).describe("Products that are added."),
  }),
  refuses: ({ inputs, outputs }, { a: [m1, n1] }) =>
    inputs % m1 !== 0 || outputs % n1 !== 0
      ? `${m1} × ${n1} does not divide its ${inputs} × ${outputs}`
      : undefined,
  parameters: (matrix, { a, terms }) => {
    const { m1, n1, m2, n2 } = kroneckerSizes(matrix, a);
    return [weightSpec(matrix, "weight_a", [terms, m1, n1]), weightSpec(matrix, "weight_b", [terms, m2, n2])];
  },
  // y[n1, n2] = Σ_k Σ x[m1, m2]·A_k[m1, n1]·B_k[m2, n2]: all terms in two products, and no matrix of the whole size.
  apply: (x, values, matrix, options) => {
    const { a, terms } = options;
    const { m1, n1, m2, n2 } = kroneckerSizes(matrix, a);
    // Of many terms the matrix itself is multiplied in fewer operations, and holds less than the values between two products.
    if (terms * m1 * n2 * (m2 + n1) > matrix.inputs * matrix.outputs)
      return matmul(x, assembled(values, matrix, options));
    const rows = x.type.shape[0]!;
    const [aName, bName] = kroneckerNames(matrix);
    const right = reshape(transpose(values(bName), { perm: [1, 0, 2] }), { shape: [m2, terms * n2] });
    const left = reshape(values(aName), { shape: [terms * m1, n1] });
    const first = matmul(reshape(x, { shape: [rows * m1, m2] }), right); // [rows · m1, terms · n2]
    const turned = transpose(reshape(first, { shape: [rows, m1, terms, n2] }), { perm: [0, 3, 2, 1] });
    const second = matmul(reshape(turned, { shape: [rows * n2, terms * m1] }), left); // [rows · n2, n1]
    const back = transpose(reshape(second, { shape: [rows, n2, n1] }), { perm: [0, 2, 1] });
    return reshape(back, { shape: [rows, matrix.outputs] });
  },
  dense: (values, matrix, options) => {
    const weight = assembled(values, matrix, options);
    return matrix.layout === "in_out" ? weight : transpose(weight, { perm: [1, 0] });
  },
  materialise: (tensors, matrix, { a, terms }) => {
    const { m1, n1, m2, n2 } = kroneckerSizes(matrix, a);
    const [left, right] = kroneckerNames(matrix).map((name) => asFloats(name, tensors(name)));
    const out = new Float64Array(matrix.inputs * matrix.outputs);
    for (let k = 0; k < terms; k++)
      for (let i1 = 0; i1 < m1; i1++)
        for (let j1 = 0; j1 < n1; j1++) {
          const factor = left![(k * m1 + i1) * n1 + j1]!;
          for (let i2 = 0; i2 < m2; i2++) {
            const at = (i1 * m2 + i2) * matrix.outputs + j1 * n2;
            for (let j2 = 0; j2 < n2; j2++) out[at + j2]! += factor * right![(k * m2 + i2) * n2 + j2]!;
          }
        }
    return Float32Array.from(out);
  },
  count: (matrix, { a, terms }, tensors) => {
    const { m1, n1, m2, n2 } = kroneckerSizes(matrix, a);
    const stored = terms * (m1 * n1 + m2 * n2);
    return {
      trainable: stored,
      stored,
      nonZero:
        tensors === undefined
          ? stored
          : kroneckerNames(matrix).reduce((total, name) => total + nonZeros(tensors(name)), 0),
      bits: stored * scalarBits,
    };
  },
});
