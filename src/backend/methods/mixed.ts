/**
 * Mixed precision: a budget of bits goes where it matters. Every matrix is rounded to each of several widths by itself, what
 * that costs is measured, and the widths that cost least together within the budget are taken (MixDQ, Zhao et al., ECCV 2024).
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Value } from "../graph/op";
import { mul } from "../graph/ops/elementwise";
import { sum } from "../graph/ops/reduction";
import { withRepresentations } from "../models/model";
import { weightName } from "../representations/dense";
import type { MatrixSpec } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { allocate, type Choice } from "../compression/quantization/bitAllocation";
import { observedRole, stored } from "../compression/denseTargets";
import { layerByLayer, layerwiseSchema } from "../compression/layerwise";
import { defineMethod, type Lab, planBetween } from "../compression/method";
import { calibrationSchema } from "../compression/calibration/observe";
import {
  bitLevels,
  quantisedAs,
  quantisedTargets,
  quantisingOptions,
  roundedToNearest,
  weightsOf,
} from "../compression/quantization/quantising";
import { partOf, takenApart, tensorOf } from "../compression/takenApart";
import type { Target } from "../compression/targets";

const title = "Mixed precision";

const options = z
  .strictObject({
    ...quantisingOptions,
    bits: z.number().min(2).max(8).default(4).describe("Bits of a weight, in the mean over all targets."),
    choices: z
      .array(z.int().min(2).max(8))
      .min(1)
      .default([2, 3, 4, 6, 8])
      .describe("Bits that a matrix may get."),
    sensitivity: z
      .enum(["gradient", "output", "loss"])
      .default("gradient")
      .describe(
        "What is measured of each matrix and width: the rise of the loss that squared gradients on real text foretell, the squared error of its products as a share of them, or the rise of the validation loss itself (`loss`, which evaluates the model once for each).",
      ),
    calibration: calibrationSchema,
  })
  .superRefine(({ bits, choices }, context) => {
    if (bits < Math.min(...choices))
      context.addIssue({
        code: "custom",
        path: ["bits"],
        message: `has to be at least ${Math.min(...choices)}, the fewest of choices`,
        input: bits,
      });
  });
type Options = z.output<typeof options>;

const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper:
    "Zhao, Ning, Fang, Liu, Huang, Lin, Yan, Dai, Wang: MixDQ: Memory-Efficient Few-Step Text-to-Image Diffusion Models with Metric-Decoupled Mixed Precision Quantization, 2024",
  options,
  rate: "bits",
  levels: bitLevels,
  needs: () => ["text"],
  samples: [
    { calibration },
    { bits: 2.5, group_size: 4, symmetric: false, sensitivity: "output", calibration },
    { bits: 5, choices: [2, 4, 8], sensitivity: "loss", targets: "layers.*.mlp.*", calibration },
  ],

  // The widths follow from the text; no matrix gets more in the mean than the next choice above the budget.
  plan(before, given) {
    const targets = quantisedTargets(title, before, { ...given, bits: 8 });
    const most = Math.min(...given.choices.filter((bits) => bits >= given.bits), Math.max(...given.choices));
    const after = stored(before, targets, (target) => quantisedAs(target, { ...given, bits: most }));
    return planBetween(before, after, "most");
  },

  async apply(before, given, lab) {
    const targets = quantisedTargets(title, before.shape, { ...given, bits: 8 });
    const costs = await measures[given.sensitivity](before, targets, given, lab);
    const sizes = targets.map(({ matrix }) => matrix.inputs * matrix.outputs);
    const choices = costs.map((own, i) =>
      own.map((cost, which): Choice => ({ cost, bits: given.choices[which]! * sizes[i]! })),
    );
    const budget = Math.floor(given.bits * sizes.reduce((all, each) => all + each, 0));
    const taken = allocate(choices, budget);
    if (taken === undefined)
      throw new WorkbenchError(
        "invalid-input",
        `${given.bits} bits a weight are fewer than any choice takes.`,
      );
    const bits = new Map(targets.map(({ matrix }, i) => [matrix.role, given.choices[taken[i]!]!]));
    lab.log(`${title}: ${[...bits].map(([role, own]) => `${role} ${own}`).join(", ")}.`);
    return layerByLayer(before, targets, undefined, layerwiseSchema.parse({}), lab, (target, tensors) => {
      const { matrix } = target;
      const own = { ...given, bits: bits.get(matrix.role)! };
      return roundedToNearest(matrix, weightsOf(tensors, target), own).treated();
    });
  },
});

/** Costs for each target and each choice. */
type Measure = (
  before: Checkpoint,
  targets: readonly Target[],
  given: Options,
  lab: Lab,
) => Promise<number[][]>;
const measures: Readonly<Record<Options["sensitivity"], Measure>> = {
  gradient: gradientCosts,
  output: outputCosts,
  loss: lossCosts,
};

/** ½ · Σ E[g²] · (W − Q)²: the second term of the loss's Taylor series with the diagonal of Fisher for its curvature. */
async function gradientCosts(...[before, targets, given, lab]: Parameters<Measure>): Promise<number[][]> {
  const { moments } = await lab.gradients(before, new Set(targets.map(tensorOf)), given.calibration);
  return targets.map((target) => {
    const { matrix } = target;
    const weights = weightsOf(before.tensors, target);
    const squares = partOf(moments.get(tensorOf(target))!.meanSquare, target);
    return given.choices.map((bits) => {
      const now = roundedToNearest(matrix, weights, { ...given, bits }).materialise();
      return now.reduce((sum, each, i) => sum + 0.5 * squares[i]! * (each - weights.dense[i]!) ** 2, 0);
    });
  });
}

/** Σ_j E[x_j²] · (W − Q)_j² as a share of Σ_j E[x_j²] · W_j². */
async function outputCosts(...[before, targets, given, lab]: Parameters<Measure>): Promise<number[][]> {
  const tap = (x: Value) => ({ squares: sum(mul(x, x), { axes: [0], keepDims: false }) });
  const roles = new Map(targets.map((target) => [observedRole(target), tap]));
  const observed = await lab.observe(before, roles, given.calibration);
  return targets.map((target, done) => {
    const { matrix } = target;
    const { squares } = observed.get(observedRole(target))!;
    const weights = weightsOf(before.tensors, target);
    const { dense } = weights;
    const whole = weighed(dense, squares!, matrix) || 1;
    lab.progress(done + 1, targets.length, "matrices measured");
    return given.choices.map((bits) => {
      const now = roundedToNearest(matrix, weights, { ...given, bits }).materialise();
      return (
        weighed(
          now.map((each, i) => each - dense[i]!),
          squares!,
          matrix,
        ) / whole
      );
    });
  });
}

function weighed(values: ArrayLike<number>, squares: Float64Array, { inputs, outputs }: MatrixSpec): number {
  let total = 0;
  for (let input = 0; input < inputs; input++)
    for (let output = 0; output < outputs; output++)
      total += squares[input]! * values[input * outputs + output]! ** 2;
  return total;
}

/** The rise of the validation loss with one matrix alone rounded. */
async function lossCosts(...[before, targets, given, lab]: Parameters<Measure>): Promise<number[][]> {
  const dense = await lab.evaluate(before, "eval/loss");
  const found: number[][] = [];
  for (const target of targets) {
    const own: number[] = [];
    for (const bits of given.choices) {
      if (lab.signal.aborted) throw new WorkbenchError("cancelled", "The method was stopped.");
      own.push((await lab.evaluate(rounded(before, target, { ...given, bits }), "eval/loss")) - dense);
    }
    found.push(own);
    lab.progress(found.length, targets.length, "matrices measured");
  }
  return found;
}

function rounded(before: Checkpoint, target: Target, given: Options): Checkpoint {
  const { matrix } = target;
  const tensors = takenApart(before, [target]);
  const {
    type,
    options,
    tensors: own,
  } = roundedToNearest(matrix, weightsOf(tensors, target), given).treated();
  tensors.delete(weightName(matrix));
  for (const [name, tensor] of own) tensors.set(name, tensor);
  return { shape: withRepresentations(before.shape, { [matrix.role]: { type, options } }), tensors };
}
