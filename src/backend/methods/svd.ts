/**
 * Low rank: factorizes a matrix to approximate its weights, its outputs on real text (SVD-LLM, Wang et al. 2025), or its
 * mean-centered outputs with the mean folded into the bias (AFM, Yu and Wu 2023). Ranks are uniform or allocated by energy.
 */
import * as z from "zod";
import { matmul } from "../graph/ops/matmul";
import { sum } from "../graph/ops/reduction";
import type { ModelShape } from "../models/model";
import { toInOut, weightName } from "../representations/dense";
import { factorNames } from "../representations/factored";
import type { MatrixSpec } from "../representations/representation";
import { biased, shifted, withBiases } from "../compression/addedBiases";
import { denseTargets, stored } from "../compression/denseTargets";
import { layerByLayer, layerwiseSchema, type Statistics } from "../compression/layerwise";
import {
  cholesky,
  inverseOfLower,
  multiply,
  type SingularValues,
  singularValues,
  transposed,
} from "../compression/algebra/linearAlgebra";
import { defineMethod, planBetween, shareOption } from "../compression/method";
import type { Tap } from "../compression/calibration/observe";
import { floatsOf, takenApart } from "../compression/takenApart";
import { type Target, targetOptions } from "../compression/targets";

const title = "Low rank";

const options = z
  .strictObject({
    rate: shareOption(
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
    ...targetOptions("all projections"),
    calibration: layerwiseSchema,
  })
  .refine(({ center, whiten }) => whiten || !center, {
    path: ["center"],
    message: "only outputs on text have a mean. Set whiten: true or omit center",
  });
type Options = z.output<typeof options>;

const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper: "Wang, Zheng, Wan, Zhang: SVD-LLM: Truncation-aware Singular Value Decomposition, 2025",
  options,
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
    const shape = centered(before, options);
    const targets = treatedTargets(shape, options);
    const after = stored(shape, targets, ({ matrix }) => ({
      type: "factored",
      options: { rank: evenRank(matrix, options.rate) },
    }));
    return planBetween(before, after, options.ranks === "even" ? "roles" : "most");
  },

  async apply(checkpoint, options, lab) {
    const before = biased(checkpoint, centered(checkpoint.shape, options));
    const targets = treatedTargets(before.shape, options);
    const byEnergy = options.ranks === "energy" ? energyRanks(before, targets, options) : undefined;
    const tap: Tap = (x, isText) => ({
      gram: matmul(x, x, { transposeA: true }),
      ...(options.center
        ? {
            sums: sum(x, { axes: [0], keepDims: false }),
            count: sum(isText, { axes: [0, 1], keepDims: false }),
          }
        : {}),
    });
    const wanted = options.whiten ? tap : undefined;
    return layerByLayer(before, targets, wanted, options.calibration, lab, ({ matrix }, tensors, seen) => {
      const { inputs, outputs } = matrix;
      const dense = toInOut(floatsOf(tensors, weightName(matrix)), matrix);
      const rank = byEnergy?.get(matrix.role) ?? evenRank(matrix, options.rate);
      const mean = options.center ? seen["sums"]!.map((each) => each / seen["count"]![0]!) : undefined;
      const { a, b } = options.whiten
        ? whitened(dense, matrix, spreadOf(seen, mean), rank)
        : decomposed(dense, matrix).factors(rank);
      const [left, right] = factorNames(matrix);
      return {
        type: "factored",
        options: { rank },
        tensors: [
          [left, { shape: [inputs, rank], data: Float32Array.from(a) }],
          [right, { shape: [rank, outputs], data: Float32Array.from(b) }],
          ...(mean === undefined
            ? []
            : [shifted(before.shape, tensors, matrix.role, lostOn(mean, dense, { a, b }))]),
        ],
      };
    });
  },
});

/** The largest rank that removes the share. A matrix that loses nothing is unchanged. */
function evenRank({ inputs, outputs }: MatrixSpec, rate: number): number {
  const room = (1 - rate) * inputs * outputs;
  return Math.max(1, Math.floor((room / (inputs + outputs)) * (1 + 1e-12)));
}

function treatedTargets(shape: ModelShape, options: Options): Target[] {
  const chosen = denseTargets(title, shape, options);
  return chosen.filter(
    ({ matrix: { inputs, outputs } }) => options.rate > 0 && inputs * outputs > inputs + outputs,
  );
}

/** Adds the biases for the means to the shape. */
function centered(shape: ModelShape, options: Options): ModelShape {
  if (!options.center) return shape;
  const roles = treatedTargets(shape, options).map(({ matrix }) => matrix.role);
  return withBiases(title, shape, roles, "Exclude it with ignore, or set center: false.");
}

/** Computes XᵀX, or Σ (x − x̄)ᵀ(x − x̄) if there is a mean. */
function spreadOf({ gram, count }: Statistics, mean: Float64Array | undefined): Float64Array {
  if (mean === undefined) return gram!;
  const size = mean.length;
  return gram!.map((each, i) => each - count![0]! * mean[Math.floor(i / size)]! * mean[i % size]!);
}

/** Computes x̄·(W − A·B), the mean error of the outputs. */
function lostOn(
  mean: Float64Array,
  dense: ArrayLike<number>,
  { a, b }: { readonly a: Float64Array; readonly b: Float64Array },
): Float64Array {
  const inputs = mean.length;
  const [outputs, rank] = [dense.length / inputs, a.length / inputs];
  const kept = multiply(multiply(mean, a, [1, inputs, rank]), b, [1, rank, outputs]);
  return multiply(mean, dense, [1, inputs, outputs]).map((each, i) => each - kept[i]!);
}

function decomposed(dense: ArrayLike<number>, { inputs, outputs }: MatrixSpec): SingularValues {
  return singularValues(dense, inputs, outputs);
}

/**
 * Minimizes ‖X·(W − A·B)‖: with XᵀX = L·Lᵀ, A·B is L⁻ᵀ times the best approximation of Lᵀ·W. Damping makes XᵀX positive
 * definite in directions that do not occur in the text, where the values do not matter.
 */
function whitened(
  dense: ArrayLike<number>,
  { inputs, outputs }: MatrixSpec,
  gram: Float64Array,
  rank: number,
): { readonly a: Float64Array; readonly b: Float64Array } {
  let mean = 0;
  for (let i = 0; i < inputs; i++) mean += gram[i * inputs + i]! / inputs;
  let lower: Float64Array | undefined;
  for (let damping = 1e-9; lower === undefined; damping *= 10) {
    const damped = gram.slice();
    for (let i = 0; i < inputs; i++) damped[i * inputs + i]! += damping * (mean || 1);
    lower = cholesky(damped, inputs);
  }
  const seen = multiply(transposed(lower, inputs, inputs), dense, [inputs, inputs, outputs]);
  const { a, b } = singularValues(seen, inputs, outputs).factors(rank);
  const back = transposed(inverseOfLower(lower, inputs), inputs, inputs);
  return { a: multiply(back, a, [inputs, inputs, rank]), b };
}

/**
 * Allocates ranks over all targets by their share of the matrix's energy, σ² / Σσ², per scalar, until they use as many
 * scalars as uniform ranks would.
 */
function energyRanks(
  before: Parameters<typeof takenApart>[0],
  targets: readonly Target[],
  { rate }: Options,
): ReadonlyMap<string, number> {
  const tensors = takenApart(before, targets);
  const ranks = new Map<string, number>();
  let budget = 0;
  const candidates: { role: string; cost: number; worth: number }[] = [];
  for (const { matrix } of targets) {
    const cost = matrix.inputs + matrix.outputs;
    budget += evenRank(matrix, rate) * cost;
    const { values } = decomposed(toInOut(floatsOf(tensors, weightName(matrix)), matrix), matrix);
    const energy = values.reduce((sum, each) => sum + each ** 2, 0) || 1;
    // A larger rank would cost more than the dense matrix.
    const most = Math.floor((matrix.inputs * matrix.outputs) / cost);
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
