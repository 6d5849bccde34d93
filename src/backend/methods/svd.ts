/**
 * Low rank: factorizes a matrix to approximate its weights, its outputs on real text (SVD-LLM, Wang et al. 2025), or its
 * mean-centered outputs with the mean folded into the bias (AFM, Yu and Wu 2023). Ranks are uniform or allocated by energy.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { ModelShape } from "../models/model";
import { factorNames } from "../representations/factored";
import type { MatrixSpec } from "../representations/representation";
import { addBiasTensors, shiftBias, addBiases } from "../compression/addBiases";
import { selectDenseTargets, chooseRepresentations, refuseEmbeddings } from "../compression/denseTargets";
import { formOption } from "../compression/form";
import { compressLayerwise, fillLayerwise, layerwiseSchema, type Statistics } from "../compression/layerwise";
import { centerGram, computeMeanDiagonal } from "../compression/algebra/leastSquares";
import { multiply } from "../compression/algebra/linearAlgebra";
import {
  approximate,
  computeSingularValues,
  describeExcess,
  type LowRank,
} from "../compression/algebra/lowRank";
import type { Algebra } from "../compression/algebra/products";
import { factorize } from "../compression/algebra/triangular";
import { defineMethod, planBetween, createShareOption } from "../compression/method";
import { gramTap, sumsTap, type Tap } from "../compression/calibration/observe";
import { countStored, readDense, unpackTargets } from "../compression/unpackTargets";
import { isProjection, type Target, createTargetOptions } from "../compression/targets";

const title = "Low rank";

const optionsSchema = z
  .strictObject({
    ...formOption,
    rate: createShareOption(
      0.5,
      "Share of a matrix's scalars to remove. It determines the rank, which is at least 1.",
    ),
    whiten: z
      .boolean()
      .default(false)
      .describe("Approximate the outputs on real text instead of the weights."),
    center: z
      .boolean()
      .default(false)
      .describe(
        "With whiten: factorize the mean-centered outputs and fold the mean into the bias. A model without biases gets them, and they count as parameters.",
      ),
    ranks: z
      .enum(["even", "energy"])
      .default("even")
      .describe(
        "Remove the same share of every matrix, or allocate ranks over all matrices by energy per scalar.",
      ),
    ...createTargetOptions("all projections"),
    calibration: layerwiseSchema,
  })
  .refine(({ center, whiten }) => whiten || !center, {
    path: ["center"],
    message: "only outputs on text have a mean. Set whiten: true or omit center",
  });
type Options = z.output<typeof optionsSchema>;

const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper: "Wang, Zheng, Wan, Zhang: SVD-LLM: Truncation-aware Singular Value Decomposition, 2025",
  options: optionsSchema,
  rate: "rate",
  needs: ({ whiten }) => (whiten ? ["text"] : []),
  samples: [
    { rate: 0 },
    { rate: 0.5 },
    { rate: 0.8, whiten: true, calibration },
    { rate: 0.5, whiten: true, center: true, calibration },
    { rate: 0.6, ranks: "energy", ignore: "layers.0.*" },
    { rate: 0.3, targets: "embed_tokens" },
  ],

  plan(before, options) {
    const shape = addCenterBiases(before, options);
    const targets = selectFactorizedTargets(shape, options);
    const after = chooseRepresentations(shape, targets, (target) => ({
      type: "factored",
      options: { rank: computeEvenRank(target, options.rate) },
    }));
    return planBetween(before, after, options.ranks === "even" ? "roles" : "most");
  },

  async apply(checkpoint, options, lab) {
    const before = addBiasTensors(checkpoint, addCenterBiases(checkpoint.shape, options));
    const targets = selectFactorizedTargets(before.shape, options);
    const byEnergy =
      options.ranks === "energy" ? await allocateRanks(lab.algebra, before, targets, options) : undefined;
    const tap: Tap = (...given) => ({ ...gramTap(...given), ...(options.center ? sumsTap(...given) : {}) });
    const whiteningTap = options.whiten ? tap : undefined;
    return compressLayerwise(
      before,
      targets,
      whiteningTap,
      fillLayerwise(options.as, options.calibration),
      lab,
      async (target, tensors, statistics) => {
        const { matrix } = target;
        const { inputs, outputs } = matrix;
        const dense = readDense(tensors, target);
        const rank = byEnergy?.get(matrix.role) ?? computeEvenRank(target, options.rate);
        const mean = options.center
          ? statistics["sums"]!.map((each) => each / statistics["count"]![0]!)
          : undefined;
        const lowRank = options.whiten
          ? await approximateOutputs(lab.algebra, dense, matrix, computeScatter(statistics, mean), rank)
          : await approximate(lab.algebra, dense, [inputs, outputs], rank);
        const notice = describeExcess(lowRank, matrix.role);
        if (notice !== undefined) lab.log(notice);
        const { a, b } = lowRank;
        const [left, right] = factorNames(matrix);
        return {
          type: "factored",
          options: { rank },
          tensors: [
            [left, { shape: [inputs, rank], data: Float32Array.from(a) }],
            [right, { shape: [rank, outputs], data: Float32Array.from(b) }],
            ...(mean === undefined
              ? []
              : [shiftBias(before.shape, tensors, matrix.role, computeMeanError(mean, dense, { a, b }))]),
          ],
        };
      },
    );
  },
});

/** The largest rank that removes the share of what is stored now. A matrix that loses nothing is unchanged. */
function computeEvenRank(target: Target, rate: number): number {
  const { inputs, outputs } = target.matrix;
  const room = (1 - rate) * countStored(target);
  return Math.max(1, Math.floor((room / (inputs + outputs)) * (1 + 1e-12)));
}

function selectFactorizedTargets(shape: ModelShape, options: Options): Target[] {
  // Two factors are one matrix again, of a lower rank.
  const candidates = selectDenseTargets(title, shape, options, isProjection, ["factored"]);
  if (options.whiten) refuseEmbeddings(title, candidates);
  return candidates.filter(
    (target) => options.rate > 0 && countStored(target) > target.matrix.inputs + target.matrix.outputs,
  );
}

/** Adds the biases for the means to the shape. */
function addCenterBiases(shape: ModelShape, options: Options): ModelShape {
  if (!options.center) return shape;
  const roles = selectFactorizedTargets(shape, options).map(({ matrix }) => matrix.role);
  return addBiases(title, shape, roles, "Exclude it with ignore, or set center: false.");
}

/** Computes XᵀX, or Σ (x − x̄)ᵀ(x − x̄) if there is a mean. */
function computeScatter({ gram, count }: Statistics, mean: Float64Array | undefined): Float64Array {
  return mean === undefined ? gram! : centerGram(gram!, mean, count![0]!);
}

/** Computes x̄·(W − A·B), the mean error of the outputs. */
function computeMeanError(
  mean: Float64Array,
  dense: ArrayLike<number>,
  { a, b }: { readonly a: Float64Array; readonly b: Float64Array },
): Float64Array {
  const inputs = mean.length;
  const [outputs, rank] = [dense.length / inputs, a.length / inputs];
  const approximation = multiply(multiply(mean, a, [1, inputs, rank]), b, [1, rank, outputs]);
  return multiply(mean, dense, [1, inputs, outputs]).map((each, i) => each - approximation[i]!);
}

/**
 * Minimizes ‖X·(W − A·B)‖: with XᵀX = L·Lᵀ, A·B is L⁻ᵀ times the best approximation of Lᵀ·W. Damping makes XᵀX positive
 * definite in directions that do not occur in the text, where the values do not matter.
 */
async function approximateOutputs(
  algebra: Algebra,
  dense: ArrayLike<number>,
  { role, inputs, outputs }: MatrixSpec,
  gram: Float64Array,
  rank: number,
): Promise<LowRank> {
  const mean = computeMeanDiagonal(gram, inputs);
  if (!Number.isFinite(mean))
    throw new WorkbenchError("invalid-input", `The inputs of ${role} on the text are not finite.`);
  let factor: Awaited<ReturnType<typeof factorize>>;
  for (let damping = 1e-9; factor === undefined; damping *= 10) {
    const damped = gram.slice();
    for (let i = 0; i < inputs; i++) damped[i * inputs + i]! += damping * (mean || 1);
    factor = await factorize(algebra, damped, inputs);
  }
  const { lower, inverse } = factor;
  const whitened = await algebra.multiply(lower, Float64Array.from(dense), [inputs, inputs, outputs], {
    transposeA: true,
  });
  const lowRank = await approximate(algebra, whitened, [inputs, outputs], rank);
  const a = await algebra.multiply(inverse, lowRank.a, [inputs, inputs, rank], { transposeA: true });
  return { ...lowRank, a };
}

/**
 * Allocates ranks over all targets by their share of the matrix's energy, σ² / Σσ², per scalar, until they use as many
 * scalars as uniform ranks would.
 */
async function allocateRanks(
  algebra: Algebra,
  before: Parameters<typeof unpackTargets>[0],
  targets: readonly Target[],
  { rate }: Options,
): Promise<ReadonlyMap<string, number>> {
  const tensors = unpackTargets(before, targets);
  const ranks = new Map<string, number>();
  let budget = 0;
  const candidates: { role: string; cost: number; worth: number }[] = [];
  for (const target of targets) {
    const { matrix } = target;
    const cost = matrix.inputs + matrix.outputs;
    budget += computeEvenRank(target, rate) * cost;
    const dense = readDense(tensors, target);
    const values = await computeSingularValues(algebra, dense, [matrix.inputs, matrix.outputs]);
    const energy = values.reduce((sum, each) => sum + each ** 2, 0) || 1;
    // A larger rank would cost more than the matrix does now.
    const most = Math.floor(countStored(target) / cost);
    values.slice(0, most).forEach((value, k) => {
      if (k === 0) {
        ranks.set(matrix.role, 1);
        budget -= cost;
      } else candidates.push({ role: matrix.role, cost, worth: value ** 2 / energy / cost });
    });
  }
  // A stable sort keeps the ranks of a matrix in order.
  for (const { role, cost } of candidates.sort((a, b) => b.worth - a.worth)) {
    if (cost > budget) continue;
    budget -= cost;
    ranks.set(role, ranks.get(role)! + 1);
  }
  return ranks;
}
