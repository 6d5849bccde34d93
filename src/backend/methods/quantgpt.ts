/**
 * QuantGPT (Tao et al., ACL 2022): quantization-aware training with a learned scale per matrix. The original model is the
 * teacher, through its output distribution and a contrastive loss on token states, which quantization makes too similar.
 */
import * as z from "zod";
import { toInOut, weightName } from "../representations/dense";
import type { MatrixSpec } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { gammaName, getLargestCode, createRoundedTrainee, smallestClip } from "../training/roundedWeights";
import type { HostTensor } from "../checkpoints/safetensors";
import { createTrainee } from "../training/trainee";
import { selectWholeTargets, chooseRepresentations } from "../compression/denseTargets";
import { compressByWeights } from "../compression/layerwise";
import { defineMethod, planBetween } from "../compression/method";
import { roundHalfToEven } from "../compression/quantization/grid";
import { bitLevels, QuantizedMatrix } from "../compression/quantization/quantization";
import { readFloats } from "../compression/unpackTargets";
import { type Target, createTargetOptions } from "../compression/targets";
import { createOriginalTeacher, trainingSchema } from "../compression/training";

const title = "QuantGPT";

const createWeightOption = (what: string, defaultValue: number) =>
  z.number().min(0).default(defaultValue).describe(what);

const optionsSchema = z.strictObject({
  bits: z
    .int()
    .min(2)
    .max(8)
    .default(4)
    .describe("Bits per weight. With 2 bits, the values are −1, 0 and 1 times the scale."),
  ...createTargetOptions("all projections"),
  train: trainingSchema.describe(
    "Training with quantized weights. Default: none, which only searches for the scales.",
  ),
  temperature: z
    .number()
    .positive()
    .default(1)
    .describe("Temperature that divides the logits of both models."),
  alpha_ce: createWeightOption("Loss weight of the divergence from the original model's distribution.", 1),
  alpha_clm: createWeightOption("Loss weight of the labels.", 0),
  alpha_contrast: createWeightOption(
    "Loss weight of the contrast between a token's state and those of other tokens in its sequence.",
    1,
  ),
});
type Options = z.output<typeof optionsSchema>;

const train = { max_steps: 2, per_device_train_batch_size: 2, learning_rate: 1e-3 };

export default defineMethod<Options>({
  title,
  paper:
    "Tao, Hou, Zhang, Shang, Jiang, Liu, Luo, Wong: Compression of Generative Pre-trained Language Models via Quantization, 2022",
  options: optionsSchema,
  rate: "bits",
  levels: bitLevels,
  needs: (options) => (options.train === undefined ? [] : ["text"]),
  samples: [
    {},
    { bits: 2, train },
    { bits: 8, targets: "layers.*.mlp.*", alpha_clm: 1, alpha_contrast: 0, train },
  ],

  plan(before, options) {
    const after = chooseRepresentations(before, selectWholeTargets(title, before, options), () => ({
      type: "quantised",
      options: toQuantizedOptions(options),
    }));
    return planBetween(before, after, "roles");
  },

  async apply(before, options, lab) {
    const targets = selectWholeTargets(title, before.shape, options);
    const started = addGammas(before, targets, options);
    const names = new Set(targets.map(({ matrix }) => weightName(matrix)));
    const trainee = createRoundedTrainee(
      createTrainee(before.shape, createOriginalTeacher(title, before.shape, options)),
      names,
      options.bits,
    );
    const tensors =
      options.train === undefined ? started : await lab.fit(trainee, started, options.train, before.tensors);
    const trained = { shape: before.shape, tensors: removeGammas(tensors, targets) };
    return compressByWeights(trained, targets, lab, ({ matrix }, unpacked) => {
      const [gamma] = readFloats(tensors, gammaName(weightName(matrix)));
      const dense = toInOut(readFloats(unpacked, weightName(matrix)), matrix);
      return roundMatrix(matrix, dense, gamma! * computeMeanMagnitude(dense), options).toCompressedTarget(
        lab.algebra,
      );
    });
  },
});

const toQuantizedOptions = ({ bits }: Pick<Options, "bits">) => ({ bits, symmetric: true, residual: 0 });

/** Quantizes a matrix with one scale, α / n, where α is the largest value. */
function roundMatrix(
  matrix: MatrixSpec,
  dense: Float32Array,
  clip: number,
  { bits }: Options,
): QuantizedMatrix {
  const { inputs, outputs } = matrix;
  const quantized = new QuantizedMatrix(matrix, toQuantizedOptions({ bits }), { dense, mask: undefined });
  const largest = getLargestCode(bits);
  const scale = Math.fround(Math.max(clip, smallestClip) / largest);
  for (let output = 0; output < outputs; output++) quantized.setGrid(0, output, { scale, zero: 0 });
  for (let input = 0; input < inputs; input++)
    for (let output = 0; output < outputs; output++) {
      const value = dense[input * outputs + output]!;
      quantized.set(input, output, Math.max(-clip, Math.min(clip, value)));
    }
  return quantized;
}

/** Finds the clipping factor with the smallest quantization error, between half of the mean magnitude and the maximum. */
function findStartingGamma(dense: Float32Array, bits: number): number {
  const magnitude = computeMeanMagnitude(dense);
  const most = dense.reduce((largest, each) => Math.max(largest, Math.abs(each)), 0) / (magnitude || 1);
  const n = getLargestCode(bits);
  let [best, least] = [1, Infinity];
  for (let step = 0; step <= 40; step++) {
    const gamma = 0.5 * Math.max(1, most / 0.5) ** (step / 40);
    const clip = gamma * magnitude || 1;
    let cost = 0;
    for (const each of dense) {
      const code = roundHalfToEven((Math.max(-clip, Math.min(clip, each)) / clip) * n);
      cost += (each - (code / n) * clip) ** 2;
    }
    if (cost < least) [best, least] = [gamma, cost];
  }
  return best;
}

function computeMeanMagnitude(dense: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < dense.length; i++) sum += Math.abs(dense[i]!);
  return dense.length === 0 ? 0 : sum / dense.length;
}

function addGammas(
  { tensors }: Checkpoint,
  targets: readonly Target[],
  { bits }: Options,
): Map<string, HostTensor> {
  const newTensors = new Map(tensors);
  for (const { matrix } of targets) {
    const name = weightName(matrix);
    const gamma = findStartingGamma(readFloats(tensors, name), bits);
    newTensors.set(gammaName(name), { shape: [1], data: Float32Array.of(gamma) });
  }
  return newTensors;
}

function removeGammas(
  tensors: ReadonlyMap<string, HostTensor>,
  targets: readonly Target[],
): Map<string, HostTensor> {
  const gammas = new Set(targets.map(({ matrix }) => gammaName(weightName(matrix))));
  return new Map([...tensors].filter(([name]) => !gammas.has(name)));
}
