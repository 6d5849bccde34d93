/**
 * Low rank: a matrix becomes the best product of two narrow ones, of the weights themselves or of what they make of real text
 * (SVD-LLM, Wang et al. 2025), or of how that differs from its mean, which a bias adds (AFM, Yu and Wu 2023). Ranks are even, or
 * go where the energy is.
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
    rate: shareOption(0.5, "Share of a matrix's scalars that goes; the rank follows, and is at least 1."),
    whiten: z
      .boolean()
      .default(false)
      .describe("Keep the products of real text as near as can be, instead of the weights."),
    center: z
      .boolean()
      .default(false)
      .describe(
        "With whiten: near to how the products differ from their mean. The bias has the rest; a model without biases gets them, and they count.",
      ),
    ranks: z
      .enum(["even", "energy"])
      .default("even")
      .describe(
        "The same share of every matrix, or over all of them together what holds the most energy for its size.",
      ),
    ...targetOptions("all projections"),
    calibration: layerwiseSchema,
  })
  .refine(({ center, whiten }) => whiten || !center, {
    path: ["center"],
    message: "only what text makes of a matrix has a mean; write whiten: true, or leave center out",
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

  plan(before, given) {
    const shape = centered(before, given);
    const targets = treatedTargets(shape, given);
    const after = stored(shape, targets, ({ matrix }) => ({
      type: "factored",
      options: { rank: evenRank(matrix, given.rate) },
    }));
    return planBetween(before, after, given.ranks === "even" ? "roles" : "most");
  },

  async apply(checkpoint, given, lab) {
    const before = biased(checkpoint, centered(checkpoint.shape, given));
    const targets = treatedTargets(before.shape, given);
    const byEnergy = given.ranks === "energy" ? energyRanks(before, targets, given) : undefined;
    const tap: Tap = (x, counted) => ({
      gram: matmul(x, x, { transposeA: true }),
      ...(given.center
        ? {
            sums: sum(x, { axes: [0], keepDims: false }),
            count: sum(counted, { axes: [0, 1], keepDims: false }),
          }
        : {}),
    });
    const wanted = given.whiten ? tap : undefined;
    return layerByLayer(before, targets, wanted, given.calibration, lab, ({ matrix }, tensors, seen) => {
      const { inputs, outputs } = matrix;
      const dense = toInOut(floatsOf(tensors, weightName(matrix)), matrix);
      const rank = byEnergy?.get(matrix.role) ?? evenRank(matrix, given.rate);
      const mean = given.center ? seen["sums"]!.map((each) => each / seen["count"]![0]!) : undefined;
      const { a, b } = given.whiten
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

/** The largest rank that leaves the share; a matrix that loses nothing stays as it is. */
function evenRank({ inputs, outputs }: MatrixSpec, rate: number): number {
  const room = (1 - rate) * inputs * outputs;
  return Math.max(1, Math.floor((room / (inputs + outputs)) * (1 + 1e-12)));
}

function treatedTargets(shape: ModelShape, given: Options): Target[] {
  const chosen = denseTargets(title, shape, given);
  return chosen.filter(
    ({ matrix: { inputs, outputs } }) => given.rate > 0 && inputs * outputs > inputs + outputs,
  );
}

/** The shape with the biases that take the means. */
function centered(shape: ModelShape, given: Options): ModelShape {
  if (!given.center) return shape;
  const roles = treatedTargets(shape, given).map(({ matrix }) => matrix.role);
  return withBiases(title, shape, roles, "Leave it out with ignore, or write center: false.");
}

/** XᵀX, or with a mean Σ (x − x̄)ᵀ(x − x̄). */
function spreadOf({ gram, count }: Statistics, mean: Float64Array | undefined): Float64Array {
  if (mean === undefined) return gram!;
  const size = mean.length;
  return gram!.map((each, i) => each - count![0]! * mean[Math.floor(i / size)]! * mean[i % size]!);
}

/** x̄·(W − A·B): what the products lack on average. */
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
 * The product that makes ‖X·(W − A·B)‖ smallest: with XᵀX = L·Lᵀ it is L⁻ᵀ times the best product for Lᵀ·W. A direction that
 * the text never has is damped until L is there; what stands there does not matter to the text.
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
 * Over all targets the ranks whose share of their matrix's energy, σ² / Σσ², is largest for the scalars that each costs, until
 * as many scalars are spent as even ranks would have.
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
    // No rank that costs more than the matrix itself.
    const most = Math.floor((matrix.inputs * matrix.outputs) / cost);
    values.slice(0, most).forEach((value, k) => {
      if (k === 0) {
        ranks.set(matrix.role, 1);
        budget -= cost;
      } else candidates.push({ role: matrix.role, cost, worth: value ** 2 / energy / cost });
    });
  }
  // A stable sort keeps the ranks of a matrix in their order.
  for (const { role, cost } of candidates.sort((a, b) => b.worth - a.worth)) {
    if (cost > budget) continue;
    budget -= cost;
    ranks.set(role, ranks.get(role)! + 1);
  }
  return ranks;
}
