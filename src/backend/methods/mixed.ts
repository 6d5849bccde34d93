/**
 * Mixed precision: distributes a budget of bits. It measures the cost of rounding each matrix alone to each of several
 * widths and chooses the widths with the lowest total cost within the budget (MixDQ, Zhao et al., ECCV 2024).
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { type ModelShape, withRepresentations } from "../models/model";
import { representations } from "../representations/catalog";
import { fromInOut, weightName } from "../representations/dense";
import type { MatrixSpec, TensorData } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { allocateBits, type Choice } from "../compression/quantization/bitAllocation";
import { getObservedRole, chooseRepresentations, refuseEmbeddings } from "../compression/denseTargets";
import { type Filled, fillForm } from "../compression/form";
import type { Algebra } from "../compression/algebra/products";
import { compressByWeights } from "../compression/layerwise";
import { defineMethod, type Lab, planBetween } from "../compression/method";
import { calibrationSchema } from "../compression/calibration/batches";
import { squaresTap } from "../compression/calibration/observe";
import {
  bitLevels,
  chooseQuantizedRepresentation,
  type Importance,
  selectQuantizationTargets,
  quantizationForms,
  quantizationOptions,
  roundToNearest,
  readWeights,
} from "../compression/quantization/quantization";
import { extractPart, listTensorNames, unpackTargets, getTensorName } from "../compression/unpackTargets";
import type { Target } from "../compression/targets";

const title = "Mixed precision";

const optionsSchema = z
  .strictObject({
    ...quantizationOptions,
    bits: z.number().min(2).max(8).default(4).describe("Average bits per weight over all targets."),
    choices: z
      .array(z.int().min(2).max(8))
      .min(1)
      .default([2, 3, 4, 6, 8])
      .describe("Allowed bits per weight of a matrix."),
    sensitivity: z
      .enum(["gradient", "output", "loss"])
      .default("gradient")
      .describe(
        "Cost to measure for each matrix and width: the loss increase predicted from squared gradients on real text, the relative squared error of the outputs, or the actual increase in validation loss (`loss`, which evaluates the model once for each matrix and width, on `calibration.samples` sequences of the validation split: 35 matrices and five widths are 176 evaluations).",
      ),
    calibration: calibrationSchema,
  })
  .superRefine(({ bits, choices }, context) => {
    if (bits < Math.min(...choices))
      context.addIssue({
        code: "custom",
        path: ["bits"],
        message: `must be at least ${Math.min(...choices)}, the smallest of choices`,
        input: bits,
      });
  });
type Options = z.output<typeof optionsSchema>;
type FilledOptions = Filled<Options, keyof typeof quantizationForms.improved>;

const calibration = { samples: 4, batch_size: 2 };

function selectTargets(shape: ModelShape, options: Options): readonly Target[] {
  const targets = selectQuantizationTargets(title, shape, { ...options, bits: 8 });
  if (options.sensitivity === "output") refuseEmbeddings(title, targets);
  return targets;
}

export default defineMethod<Options>({
  title,
  paper:
    "Zhao, Ning, Fang, Liu, Huang, Lin, Yan, Dai, Wang: MixDQ: Memory-Efficient Few-Step Text-to-Image Diffusion Models with Metric-Decoupled Mixed Precision Quantization, 2024",
  options: optionsSchema,
  rate: "bits",
  levels: bitLevels,
  needs: () => ["text"],
  samples: [
    { calibration },
    { bits: 2.5, group_size: 4, symmetric: false, sensitivity: "output", calibration },
    { bits: 5, choices: [2, 4, 8], sensitivity: "loss", targets: "layers.*.mlp.*", calibration },
  ],

  // Widths depend on the text. The upper bound is the average of the next choice above the budget.
  plan(before, options) {
    const targets = selectTargets(before, options);
    const most = Math.min(
      ...options.choices.filter((bits) => bits >= options.bits),
      Math.max(...options.choices),
    );
    const after = chooseRepresentations(before, targets, (target) =>
      chooseQuantizedRepresentation(target, { ...options, bits: most }),
    );
    return planBetween(before, after, "most");
  },

  async apply(before, given, lab) {
    const options = fillForm(given, quantizationForms);
    const targets = selectTargets(before.shape, options);
    const measured = await measures[options.sensitivity](before, targets, options, lab);
    const sizes = targets.map(({ matrix }) => matrix.inputs * matrix.outputs);
    const choices = measured.map(({ costs }, i) =>
      costs.map((cost, which): Choice => ({ cost, bits: options.choices[which]! * sizes[i]! })),
    );
    const budget = Math.floor(options.bits * sizes.reduce((all, each) => all + each, 0));
    const allocation = allocateBits(choices, budget);
    if (allocation === undefined)
      throw new WorkbenchError(
        "invalid-input",
        `No choice fits in ${options.bits} bits per weight. Raise bits or add smaller choices.`,
      );
    const bits = allocation.map((which) => options.choices[which]!);
    lab.log(`${title}: ${targets.map(({ matrix }, i) => `${matrix.role} ${bits[i]!}`).join(", ")}.`);
    return compressByWeights(before, targets, lab, (target, tensors) => {
      const i = targets.indexOf(target);
      const targetOptions = { ...options, bits: bits[i]! };
      const weights = readWeights(tensors, target);
      return roundToNearest(
        target.matrix,
        weights,
        targetOptions,
        measured[i]!.importance,
      ).toCompressedTarget(lab.algebra);
    });
  },
});

interface Measurement {
  /** The cost of each choice. */
  readonly costs: readonly number[];
  readonly importance?: Importance;
}

/** Measures each target. */
type Measure = (
  before: Checkpoint,
  targets: readonly Target[],
  options: FilledOptions,
  lab: Lab,
) => Promise<Measurement[]>;
const measures: Readonly<Record<Options["sensitivity"], Measure>> = {
  gradient: computeGradientCosts,
  output: computeOutputCosts,
  loss: computeLossCosts,
};

/**
 * ½ · Σ E[g²] · (W − Q)²: the second-order term of the loss's Taylor series, with the diagonal of the Fisher information as
 * curvature. Ranges are searched without it: E[g²] of single weights is too noisy and measured worse.
 */
async function computeGradientCosts(
  ...[before, targets, options, lab]: Parameters<Measure>
): Promise<Measurement[]> {
  const { moments } = await lab.gradients(before, new Set(targets.map(getTensorName)), options.calibration);
  return targets.map((target) => {
    const { matrix } = target;
    const weights = readWeights(before.tensors, target);
    const squares = extractPart(moments.get(getTensorName(target))!.meanSquare, target);
    const costs = options.choices.map((bits) => {
      const quantized = roundToNearest(matrix, weights, { ...options, bits }).materialize();
      return quantized.reduce((sum, each, i) => sum + 0.5 * squares[i]! * (each - weights.dense[i]!) ** 2, 0);
    });
    return { costs };
  });
}

/** Σ_j E[x_j²] · (W − Q)_j² as a share of Σ_j E[x_j²] · W_j². */
async function computeOutputCosts(
  ...[before, targets, options, lab]: Parameters<Measure>
): Promise<Measurement[]> {
  const roles = new Map(targets.map((target) => [getObservedRole(target), squaresTap]));
  const statistics = await lab.observe(before, roles, options.calibration);
  return targets.map((target, done) => {
    const { matrix } = target;
    const { squares } = statistics.get(getObservedRole(target))!;
    const weights = readWeights(before.tensors, target);
    const { dense } = weights;
    const whole = sumWeightedSquares(dense, squares!, matrix) || 1;
    lab.progress(done + 1, targets.length, "matrices measured");
    const importance: Importance = (input) => squares![input]!;
    const costs = options.choices.map((bits) => {
      const quantized = roundToNearest(matrix, weights, { ...options, bits }, importance).materialize();
      return (
        sumWeightedSquares(
          quantized.map((each, i) => each - dense[i]!),
          squares!,
          matrix,
        ) / whole
      );
    });
    return { costs, importance };
  });
}

function sumWeightedSquares(
  values: ArrayLike<number>,
  squares: Float64Array,
  { inputs, outputs }: MatrixSpec,
): number {
  let total = 0;
  for (let input = 0; input < inputs; input++)
    for (let output = 0; output < outputs; output++)
      total += squares[input]! * values[input * outputs + output]! ** 2;
  return total;
}

/**
 * Increase in validation loss when only one matrix is rounded. The rounded matrix is measured as a dense one, so that all
 * evaluations share one compiled program.
 */
async function computeLossCosts(
  ...[before, targets, options, lab]: Parameters<Measure>
): Promise<Measurement[]> {
  const { samples } = options.calibration;
  const evaluations = targets.length * options.choices.length + 1;
  lab.log(`${title}: evaluates the model ${evaluations} times on up to ${samples} validation sequences.`);
  const split = splitPacked(before, targets);
  const dense = await lab.evaluate(split, "eval/loss", samples);
  let done = 1;
  const measured: Measurement[] = [];
  for (const target of targets) {
    const costs: number[] = [];
    for (const bits of options.choices) {
      if (lab.signal.aborted) throw new WorkbenchError("cancelled", "The method was stopped.");
      const rounded = await roundTarget(lab.algebra, split, target, { ...options, bits });
      costs.push((await lab.evaluate(rounded, "eval/loss", samples)) - dense);
      lab.progress(++done, evaluations, "evaluations of the model");
    }
    measured.push({ costs });
  }
  return measured;
}

/** Splits the packed matrices of which only some parts are targets. */
function splitPacked({ shape, tensors }: Checkpoint, targets: readonly Target[]): Checkpoint {
  const parts = targets.filter(({ packedIn }) => packedIn !== undefined);
  const choices = parts.map(({ matrix }) => [matrix.role, { type: "dense", options: {} }] as const);
  return {
    shape: withRepresentations(shape, Object.fromEntries(choices)),
    tensors: unpackTargets({ tensors }, targets),
  };
}

async function roundTarget(
  algebra: Algebra,
  { shape, tensors: before }: Checkpoint,
  target: Target,
  quantization: FilledOptions,
): Promise<Checkpoint> {
  const { matrix } = target;
  const tensors = new Map(before);
  const {
    type,
    options,
    tensors: newTensors,
  } = await roundToNearest(matrix, readWeights(tensors, target), quantization).toCompressedTarget(algebra);
  const name = weightName(matrix);
  const weight = tensors.get(name);
  if (weight === undefined) {
    for (const each of listTensorNames(target)) tensors.delete(each);
    for (const [each, tensor] of newTensors) tensors.set(each, tensor);
    return { shape: withRepresentations(shape, { [matrix.role]: { type, options } }), tensors };
  }
  const source = new Map(newTensors);
  const dense = representations[type]!.materialize(
    (each) => source.get(each)!.data as TensorData,
    matrix,
    options,
  );
  tensors.set(name, { shape: weight.shape, data: fromInOut(dense, matrix) });
  return { shape, tensors };
}
