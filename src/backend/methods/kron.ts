/**
 * Kronecker products (KnGPT2, Edalati et al. 2022): approximates a matrix by a sum of a few A ⊗ B, from the singular value
 * decomposition of its rearrangement (Van Loan). With balanced factors it is the matrix product operator of two sites
 * (CompactifAI, Tomut et al. 2024). For more sites, the second factors are decomposed in the same way.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { ModelShape } from "../models/model";
import {
  createCores,
  type MpoOptions,
  computeSiteOrder,
  countCoreScalars,
  computeWidestBonds,
} from "../representations/mpo";
import type { MatrixSpec } from "../representations/representation";
import { selectDenseTargets, chooseRepresentations } from "../compression/denseTargets";
import { compressByWeights } from "../compression/layerwise";
import { approximate, describeExcess } from "../compression/algebra/lowRank";
import type { Algebra } from "../compression/algebra/products";
import { defineMethod, planBetween, createShareOption } from "../compression/method";
import { countStored, readDense } from "../compression/unpackTargets";
import { isProjection, type Target, createTargetOptions } from "../compression/targets";

const title = "Kronecker products";

const optionsSchema = z
  .strictObject({
    rate: createShareOption(
      0.5,
      "Share of a matrix's scalars to remove. It determines the number of terms, which is at least 1.",
    ),
    sites: z
      .int()
      .min(2)
      .max(4)
      .default(2)
      .describe(
        "Number of factors per term. Three or more factors are shared between terms, as cores of a matrix product operator.",
      ),
    b: z
      .tuple([z.int().min(1), z.int().min(1)])
      .optional()
      .describe(
        "Inputs and outputs of the second of two factors, such as [1, 2] for half of a matrix in one term. Default: factors of sizes as equal as possible.",
      ),
    ...createTargetOptions("all projections"),
  })
  .refine(({ sites, b }) => b === undefined || sites === 2, {
    path: ["b"],
    message: "b is the size of the second of two factors. Set sites: 2 or omit b",
  });
type Options = z.output<typeof optionsSchema>;

export default defineMethod<Options>({
  title,
  paper:
    "Edalati, Tahaei, Rashid, Nia, Clark, Rezagholizadeh: Kronecker Decomposition for GPT Compression, 2022",
  options: optionsSchema,
  rate: "rate",
  samples: [
    { rate: 0 },
    { rate: 0.5 },
    { rate: 0.9, targets: "layers.*.mlp.*" },
    { rate: 0.5, b: [1, 2] },
    { rate: 0.5, b: [1, 2], targets: "embed_tokens" },
    { rate: 0.5, sites: 3 },
    { rate: 0.3, sites: 4, targets: "layers.*.mlp.*" },
  ],

  plan: (before, options) => planBetween(before, decide(before, options).after, "roles"),

  async apply(before, options, lab) {
    const { targets, optionsOf } = decide(before.shape, options);
    return compressByWeights(before, targets, lab, async (target, tensors) => {
      const { matrix } = target;
      const mpoOptions = optionsOf(target);
      const dense = readDense(tensors, target);
      const order = computeSiteOrder(mpoOptions.sites);
      const entries = new Float64Array(order.length);
      for (let i = 0; i < entries.length; i++) entries[i] = dense[order[i]!]!;
      const { chain, notices } = await approximateChain(lab.algebra, entries, mpoOptions, matrix.role);
      for (const notice of notices) lab.log(notice);
      return {
        type: "mpo",
        options: { ...mpoOptions },
        tensors: createCores(matrix, mpoOptions).map(({ name, left, inputs, outputs, right }, k) => [
          name,
          { shape: [left, inputs, outputs, right], data: Float32Array.from(chain[k]!) },
        ]),
      };
    });
  },
});

function decide(shape: ModelShape, options: Options) {
  // Cores are one matrix again, of fewer terms.
  const candidates = selectDenseTargets(title, shape, options, isProjection, ["mpo"]);
  const faults = candidates.flatMap(({ matrix: { role, inputs, outputs } }) => {
    const [m2, n2] = options.b ?? [1, 1];
    return inputs % m2 === 0 && outputs % n2 === 0
      ? []
      : [`${role} is ${inputs} × ${outputs}, which is not divisible by factors of ${m2} × ${n2}`];
  });
  if (faults.length > 0)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: ${faults[0]!}. Choose another b, or exclude these roles with ignore.`,
      { faults },
    );
  const optionsOf = (target: Target): MpoOptions => {
    const sites = chooseSites(target.matrix, options);
    const widest = computeWidestBonds(sites);
    const bondsOf = (bond: number) => widest.map((most) => Math.min(bond, most));
    const room = (1 - options.rate) * countStored(target) * (1 + 1e-12);
    let bond = 1;
    const most = Math.max(...widest);
    while (bond < most && countCoreScalars({ sites, bonds: bondsOf(bond + 1) }) <= room) bond++;
    return { sites, bonds: bondsOf(bond) };
  };
  const isSmaller = (target: Target) =>
    options.rate > 0 && countCoreScalars(optionsOf(target)) < countStored(target);
  const targets = candidates.filter(isSmaller);
  const after = chooseRepresentations(shape, targets, (target) => ({
    type: "mpo",
    options: optionsOf(target),
  }));
  return { targets, optionsOf, after };
}

function chooseSites({ inputs, outputs }: MatrixSpec, { sites, b }: Options): (readonly [number, number])[] {
  if (b !== undefined) return [[inputs / b[0], outputs / b[1]], b];
  const columns = factorBalanced(outputs, sites);
  return factorBalanced(inputs, sites).map((rows, k) => [rows, columns[k]!]);
}

/** Splits a size into factors that are as equal as possible, in descending order. */
function factorBalanced(size: number, count: number): number[] {
  if (count === 1) return [size];
  let divisor = Math.floor(size ** (1 / count) * (1 + 1e-12));
  while (size % divisor !== 0) divisor--;
  return [...factorBalanced(size / divisor, count - 1), divisor].sort((x, y) => y - x);
}

/**
 * With entries in site order, a Kronecker product is an outer product of vectors (Van Loan's rearrangement), and a matrix
 * product operator is a chain of matrices. Each core [left · entries, right] keeps the largest singular values of the
 * remainder, so that each bond loses only its tail. Finally, both sides of a bond are scaled by √σ.
 */
export async function approximateChain(
  algebra: Algebra,
  entries: Float64Array,
  options: MpoOptions,
  role: string,
): Promise<{ readonly chain: Float64Array[]; readonly notices: string[] }> {
  const cores = createCores({ name: "" }, options);
  const chain: Float64Array[] = [];
  const notices: string[] = [];
  let rest = entries;
  let roots = Float64Array.of(1);
  for (const { left, inputs, outputs, right } of cores.slice(0, -1)) {
    const rows = left * inputs * outputs;
    const columns = rest.length / rows;
    const lowRank = await approximate(algebra, rest, [rows, columns], right);
    const { a, b, values } = lowRank;
    const notice = describeExcess(lowRank, role);
    if (notice !== undefined) notices.push(notice);
    chain.push(scaleByBond(a, roots, (value, root) => value / root));
    roots = Float64Array.from(values, (value) => Math.sqrt(value) || 1);
    // Σ·Vᵀ, which has the same singular values as the whole.
    rest = scaleByBond(b, roots, (value, root) => value * root);
  }
  chain.push(scaleByBond(rest, roots, (value, root) => value / root));
  return { chain, notices };
}

/** Every entry with the root of its row's path, in a matrix of as many equal rows. */
function scaleByBond(
  values: Float64Array,
  roots: Float64Array,
  change: (value: number, root: number) => number,
): Float64Array {
  const row = values.length / roots.length;
  return values.map((value, i) => change(value, roots[Math.floor(i / row)]!));
}
