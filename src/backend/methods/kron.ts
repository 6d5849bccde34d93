/**
 * Kronecker products (KnGPT2, Edalati et al. 2022): the sum of a few A ⊗ B that is nearest to a matrix, by the singular values
 * of its rearrangement (Van Loan). With balanced factors it is the matrix product operator of two sites (CompactifAI).
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { ModelShape } from "../models/model";
import { toInOut, weightName } from "../representations/dense";
import { type KroneckerOptions, kroneckerNames, kroneckerSizes } from "../representations/kronecker";
import type { MatrixSpec } from "../representations/representation";
import { denseTargets, stored } from "./denseTargets";
import { layerByLayer, layerwiseSchema } from "./layerwise";
import { singularValues } from "./linearAlgebra";
import { defineMethod, planBetween } from "./method";
import { floatsOf } from "./takenApart";
import { type Target, targetOptions } from "./targets";

const title = "Kronecker products";

const options = z.strictObject({
  rate: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("Share of a matrix's scalars that goes; the number of terms follows, and is at least 1."),
  b: z
    .tuple([z.int().min(1), z.int().min(1)])
    .optional()
    .describe(
      "Inputs and outputs of the second factors, such as [1, 2] for half of a matrix in one term; as near to the square roots of its sizes as they divide when left out.",
    ),
  ...targetOptions("all projections"),
});
type Options = z.output<typeof options>;

export default defineMethod<Options>({
  title,
  paper:
    "Edalati, Tahaei, Rashid, Nia, Clark, Rezagholizadeh: Kronecker Decomposition for GPT Compression, 2022",
  options,
  rate: "rate",
  samples: [
    { rate: 0 },
    { rate: 0.5 },
    { rate: 0.9, targets: "layers.*.mlp.*" },
    { rate: 0.5, b: [1, 2] },
    { rate: 0.5, b: [1, 2], targets: "embed_tokens" },
  ],

  plan: (before, given) => planBetween(before, decide(before, given).after, "roles"),

  async apply(before, given, lab) {
    const { targets, optionsOf } = decide(before.shape, given);
    return layerByLayer(before, targets, undefined, layerwiseSchema.parse({}), lab, (target, tensors) => {
      const { matrix } = target;
      const own = optionsOf(matrix);
      const { m1, n1, m2, n2 } = kroneckerSizes(matrix, own.a);
      const dense = toInOut(floatsOf(tensors, weightName(matrix)), matrix);
      const { a, b } = singularValues(rearranged(dense, matrix, own.a), m1 * n1, m2 * n2).factors(own.terms);
      // A column of the first factors is one A_k, a row of the second one B_k.
      const left = new Float32Array(own.terms * m1 * n1);
      for (let k = 0; k < own.terms; k++)
        for (let i = 0; i < m1 * n1; i++) left[k * m1 * n1 + i] = a[i * own.terms + k]!;
      const [aName, bName] = kroneckerNames(matrix);
      return {
        type: "kronecker",
        options: { ...own },
        tensors: [
          [aName, { shape: [own.terms, m1, n1], data: left }],
          [bName, { shape: [own.terms, m2, n2], data: Float32Array.from(b) }],
        ],
      };
    });
  },
});

function decide(shape: ModelShape, given: Options) {
  const chosen = denseTargets(title, shape, given, ["*"]);
  const faults = chosen.flatMap(({ matrix: { role, inputs, outputs } }) => {
    const [m2, n2] = given.b ?? [1, 1];
    return inputs % m2 === 0 && outputs % n2 === 0
      ? []
      : [`${role} is ${inputs} × ${outputs}, which factors of ${m2} × ${n2} do not divide`];
  });
  if (faults.length > 0)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: ${faults[0]!}. Choose another b, or leave such roles out with ignore.`,
      { faults },
    );
  const optionsOf = (matrix: MatrixSpec): KroneckerOptions => {
    const { inputs, outputs } = matrix;
    const [m2, n2] = given.b ?? [nearRoot(inputs), nearRoot(outputs)];
    const a: [number, number] = [inputs / m2, outputs / n2];
    const cost = a[0] * a[1] + m2 * n2;
    const room = Math.floor(((1 - given.rate) * inputs * outputs * (1 + 1e-12)) / cost);
    return { a, terms: Math.max(1, Math.min(room, a[0] * a[1], m2 * n2)) };
  };
  const isSmaller = ({ matrix }: Target) => {
    const own = optionsOf(matrix);
    const { m1, n1, m2, n2 } = kroneckerSizes(matrix, own.a);
    return given.rate > 0 && own.terms * (m1 * n1 + m2 * n2) < matrix.inputs * matrix.outputs;
  };
  const targets = chosen.filter(isSmaller);
  const after = stored(shape, targets, ({ matrix }) => ({
    type: "kronecker",
    options: optionsOf(matrix),
  }));
  return { targets, optionsOf, after };
}

/** The divisor that is nearest to the square root, the smaller of two. */
function nearRoot(size: number): number {
  for (let divisor = Math.floor(Math.sqrt(size)); divisor > 1; divisor--)
    if (size % divisor === 0) return divisor;
  return 1;
}

/** R[(i1, j1), (i2, j2)] = W[i1·m2 + i2, j1·n2 + j2]: a Kronecker product becomes a product of two vectors. */
function rearranged(dense: ArrayLike<number>, matrix: MatrixSpec, a: KroneckerOptions["a"]): Float64Array {
  const { m1, n1, m2, n2 } = kroneckerSizes(matrix, a);
  const out = new Float64Array(m1 * n1 * m2 * n2);
  for (let i1 = 0; i1 < m1; i1++)
    for (let j1 = 0; j1 < n1; j1++)
      for (let i2 = 0; i2 < m2; i2++)
        for (let j2 = 0; j2 < n2; j2++)
          out[(i1 * n1 + j1) * m2 * n2 + i2 * n2 + j2] =
            dense[(i1 * m2 + i2) * matrix.outputs + j1 * n2 + j2]!;
  return out;
}
