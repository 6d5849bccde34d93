/**
 * FLAP (An et al., AAAI 2024): removes the heads and channels whose activations vary least, since their contribution is
 * nearly constant and a bias can add its mean instead.
 */
import * as z from "zod";
import { mul } from "../graph/ops/elementwise";
import { sum } from "../graph/ops/reduction";
import type { ModelShape } from "../models/model";
import { toInOut, weightName } from "../representations/dense";
import { biased, withBiases } from "../compression/addedBiases";
import { defineMethod, planBetween } from "../compression/method";
import { calibrationSchema, type Tap } from "../compression/calibration/observe";
import {
  choose,
  type Coupled,
  coupledIn,
  type Kept,
  planStructured,
  structuredOptions,
  withUnits,
} from "../compression/pruning/structured";
import { floatsOf } from "../compression/takenApart";

const title = "FLAP";

const options = z.strictObject({
  ...structuredOptions("global"),
  metric: z
    .enum(["fluctuation", "magnitude"])
    .default("fluctuation")
    .describe("Variance of a channel's activations times its squared weights, or its squared weights only."),
  compensate: z
    .boolean()
    .default(true)
    .describe(
      "Add the mean of the removed units to the bias. A model without biases gets them, and they count as parameters.",
    ),
  calibration: calibrationSchema,
});
type Options = z.output<typeof options>;

const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper:
    "An, Zhao, Yu, Tang, Wang: Fluctuation-based Adaptive Structured Pruning for Large Language Models, 2024",
  options,
  rate: "rate",
  needs: () => ["text"],
  samples: [
    { rate: 0, calibration },
    { rate: 0.3, compensate: false, calibration },
    { rate: 0.5, scope: "layer", compensate: false, calibration },
    { rate: 0.4, parts: ["channels"], layers: [1, 1], compensate: false, metric: "magnitude", calibration },
  ],

  plan(before, options) {
    const shape = compensated(before, options);
    const { shape: after, exact } = planStructured(shape, coupledIn(title, shape, options), options);
    return planBetween(before, after, exact);
  },

  async apply(given, options, lab) {
    const before = biased(given, compensated(given.shape, options));
    const groups = coupledIn(title, before.shape, options);
    if (options.rate === 0) return given;
    const tap: Tap = (x, isText) => ({
      sums: sum(x, { axes: [0], keepDims: false }),
      squares: sum(mul(x, x), { axes: [0], keepDims: false }),
      count: sum(isText, { axes: [0], keepDims: false }),
    });
    const roles = groups.map(({ consumer }) => consumer.matrix.role);
    const statistics = await lab.observe(
      before,
      new Map(roles.map((role) => [role, tap])),
      options.calibration,
    );
    const moments = groups.map(({ consumer }) => momentsOf(statistics.get(consumer.matrix.role)!));
    const weights = groups.map(({ consumer: { matrix } }) =>
      toInOut(floatsOf(before.tensors, weightName(matrix)), matrix),
    );
    const scores = groups.map((group, i) => scoresOf(group, weights[i]!, moments[i]!, options));
    const kept = choose(groups, scores, options);
    const shifts = options.compensate ? shiftsOf(groups, kept, weights, moments) : undefined;
    return withUnits(before, groups, kept, shifts);
  },
});

interface Moments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

function momentsOf({ sums, squares, count }: Readonly<Record<string, Float64Array>>): Moments {
  const mean = sums!.map((each) => each / count![0]!);
  return { mean, variance: squares!.map((each, i) => Math.max(0, each / count![0]! - mean[i]! ** 2)) };
}

/** Scores each unit by the mean over its inputs, standardized per group to mean 0 and variance 1 to make groups comparable. */
function scoresOf(
  { units, consumer }: Coupled,
  weights: Float32Array,
  { variance }: Moments,
  { metric }: Options,
): Float64Array {
  const { inputs, outputs } = consumer.matrix;
  const scores = new Float64Array(units);
  for (let input = 0; input < inputs; input++) {
    let square = 0;
    for (let output = 0; output < outputs; output++) square += weights[input * outputs + output]! ** 2;
    const own = metric === "fluctuation" ? variance[input]! * square : square;
    scores[Math.floor((input * units) / inputs)]! += (own * units) / inputs;
  }
  const mean = scores.reduce((total, each) => total + each, 0) / units;
  const spread = Math.sqrt(scores.reduce((total, each) => total + (each - mean) ** 2, 0) / units);
  return scores.map((each) => (spread === 0 ? 0 : (each - mean) / spread));
}

/** The average contribution of the removed inputs to each consumer: Σ mean_j · W_j. */
function shiftsOf(
  groups: readonly Coupled[],
  kept: Kept,
  weights: readonly Float32Array[],
  moments: readonly Moments[],
): ReadonlyMap<string, Float64Array> {
  return new Map(
    groups.map(({ units, consumer: { matrix } }, group) => {
      const { inputs, outputs, role } = matrix;
      const stays = new Set(kept[group]);
      const shift = new Float64Array(outputs);
      for (let input = 0; input < inputs; input++) {
        if (stays.has(Math.floor((input * units) / inputs))) continue;
        for (let output = 0; output < outputs; output++)
          shift[output]! += moments[group]!.mean[input]! * weights[group]![input * outputs + output]!;
      }
      return [role, shift];
    }),
  );
}

/** Adds a bias to every matrix that reads heads or channels that may be removed. */
function compensated(shape: ModelShape, options: Options): ModelShape {
  if (!options.compensate || options.rate === 0) return shape;
  const readers = coupledIn(title, shape, options).map(({ consumer }) => consumer.matrix.role);
  return withBiases(title, shape, readers, "Set compensate: false.");
}
