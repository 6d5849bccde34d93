/**
 * QuantGPT (Tao et al., ACL 2022): weights are rounded while they train, each matrix with a scale that is trained too, and the
 * model as it was teaches by its distribution and by the states of single tokens, which rounding makes alike.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { lossNames, type LossName } from "../../schema/teacher";
import { dimensionsOf, type ModelShape, withRepresentations } from "../models/model";
import { toInOut, weightName } from "../representations/dense";
import type { MatrixSpec } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { teacherLayers } from "../training/distillation";
import { gammaName, largestCode, roundedTrainee, smallestClip } from "../training/roundedWeights";
import type { HostTensor } from "../checkpoints/safetensors";
import { type Teacher, traineeOf } from "../training/trainee";
import { denseTargets, stored } from "../compression/denseTargets";
import { layerByLayer, layerwiseSchema } from "../compression/layerwise";
import { defineMethod, planBetween } from "../compression/method";
import { bitLevels, Quantised } from "../compression/quantization/quantising";
import { floatsOf } from "../compression/takenApart";
import { type Target, targetOptions } from "../compression/targets";
import { trainingSchema } from "../compression/training";

const title = "QuantGPT";

const weight = (what: string, usual: number) => z.number().min(0).default(usual).describe(what);

const options = z.strictObject({
  bits: z
    .int()
    .min(2)
    .max(8)
    .default(4)
    .describe("Bits of a weight; of 2 the values are −1, 0 and 1 times the scale."),
  ...targetOptions("all projections"),
  train: trainingSchema.describe(
    "Training with rounded weights; none when left out, and then scales are only looked for.",
  ),
  temperature: z.number().positive().default(1).describe("Logits of both models are divided by it."),
  alpha_ce: weight("Weight of the divergence of the distribution that the model had before.", 1),
  alpha_clm: weight("Weight of the labels.", 0),
  alpha_contrast: weight("Weight of telling a token's state from those of its sequence's other tokens.", 1),
});
type Options = z.output<typeof options>;

const train = { max_steps: 2, per_device_train_batch_size: 2, learning_rate: 1e-3 };

export default defineMethod<Options>({
  title,
  paper:
    "Tao, Hou, Zhang, Shang, Jiang, Liu, Luo, Wong: Compression of Generative Pre-trained Language Models via Quantization, 2022",
  options,
  rate: "bits",
  levels: bitLevels,
  needs: (given) => (given.train === undefined ? [] : ["text"]),
  samples: [
    {},
    { bits: 2, train },
    { bits: 8, targets: "layers.*.mlp.*", alpha_clm: 1, alpha_contrast: 0, train },
  ],

  plan(before, given) {
    const after = stored(before, wholeTargets(before, given), () => ({
      type: "quantised",
      options: quantisedOptions(given),
    }));
    return planBetween(before, after, "roles");
  },

  async apply(before, given, lab) {
    const targets = wholeTargets(before.shape, given);
    const started = withGammas(before, targets, given);
    const names = new Set(targets.map(({ matrix }) => weightName(matrix)));
    const trainee = roundedTrainee(
      traineeOf(before.shape, teacherOf(before.shape, given)),
      names,
      given.bits,
    );
    const tensors =
      given.train === undefined ? started : await lab.fit(trainee, started, given.train, before.tensors);
    const trained = { shape: before.shape, tensors: withoutGammas(tensors, targets) };
    return layerByLayer(trained, targets, undefined, layerwiseSchema.parse({}), lab, ({ matrix }, own) => {
      const [gamma] = floatsOf(tensors, gammaName(weightName(matrix)));
      const dense = toInOut(floatsOf(own, weightName(matrix)), matrix);
      return rounded(matrix, dense, gamma! * meanMagnitude(dense), given).treated();
    });
  },
});

const quantisedOptions = ({ bits }: Pick<Options, "bits">) => ({ bits, symmetric: true, residual: 0 });

/** A matrix that is packed with others is one module. */
function wholeTargets(shape: ModelShape, given: Options): Target[] {
  const targets = denseTargets(title, shape, given);
  const part = targets.find(({ packedIn }) => packedIn !== undefined);
  if (part === undefined) return targets;
  throw new WorkbenchError(
    "unsupported",
    `${title} cannot be applied: ${part.matrix.role} is a part of ${part.packedIn!.role}, which is rounded as one module. Name that one.`,
  );
}

/** Every matrix at one scale: α / n, with α the largest value. */
function rounded(matrix: MatrixSpec, dense: Float32Array, clip: number, { bits }: Options): Quantised {
  const { inputs, outputs } = matrix;
  const quantised = new Quantised(matrix, quantisedOptions({ bits }), { dense, mask: undefined });
  const largest = largestCode(bits);
  const scale = Math.fround(Math.max(clip, smallestClip) / largest);
  for (let output = 0; output < outputs; output++) quantised.setGrid(0, output, { scale, zero: 0 });
  for (let input = 0; input < inputs; input++)
    for (let output = 0; output < outputs; output++) {
      const value = dense[input * outputs + output]!;
      quantised.set(input, output, Math.max(-clip, Math.min(clip, value)));
    }
  return quantised;
}

/** Where rounding costs least of the weights as they are: from half of the mean magnitude up to the largest. */
function startingGamma(dense: Float32Array, bits: number): number {
  const magnitude = meanMagnitude(dense);
  const most = dense.reduce((largest, each) => Math.max(largest, Math.abs(each)), 0) / (magnitude || 1);
  const n = largestCode(bits);
  let [best, least] = [1, Infinity];
  for (let step = 0; step <= 40; step++) {
    const gamma = 0.5 * Math.max(1, most / 0.5) ** (step / 40);
    const clip = gamma * magnitude || 1;
    let cost = 0;
    for (const each of dense) {
      const code = Math.round((Math.max(-clip, Math.min(clip, each)) / clip) * n);
      cost += (each - (code / n) * clip) ** 2;
    }
    if (cost < least) [best, least] = [gamma, cost];
  }
  return best;
}

function meanMagnitude(dense: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < dense.length; i++) sum += Math.abs(dense[i]!);
  return dense.length === 0 ? 0 : sum / dense.length;
}

function withGammas(
  { tensors }: Checkpoint,
  targets: readonly Target[],
  { bits }: Options,
): Map<string, HostTensor> {
  const own = new Map(tensors);
  for (const { matrix } of targets) {
    const name = weightName(matrix);
    const gamma = startingGamma(floatsOf(tensors, name), bits);
    own.set(gammaName(name), { shape: [1], data: Float32Array.of(gamma) });
  }
  return own;
}

function withoutGammas(
  tensors: ReadonlyMap<string, HostTensor>,
  targets: readonly Target[],
): Map<string, HostTensor> {
  const gammas = new Set(targets.map(({ matrix }) => gammaName(weightName(matrix))));
  return new Map([...tensors].filter(([name]) => !gammas.has(name)));
}

function teacherOf(shape: ModelShape, given: Options): Teacher {
  const weights: Partial<Record<LossName, number>> = {};
  for (const name of lossNames) {
    const own = name === "ce" || name === "clm" || name === "contrast" ? given[`alpha_${name}`] : 0;
    if (own > 0) weights[name] = own;
  }
  if (Object.keys(weights).length === 0)
    throw new WorkbenchError(
      "invalid-input",
      `${title} has nothing to learn from: give one of its weights, alpha_…, above 0.`,
    );
  const { layers } = dimensionsOf(shape);
  return {
    temperature: given.temperature,
    weights,
    trainee: traineeOf(withRepresentations(shape, {})),
    layers: teacherLayers(layers, layers),
  };
}
