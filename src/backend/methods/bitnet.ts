/**
 * BitNet b1.58 (Ma et al. 2024): matrices of −1, 0 and 1 times one scale, W ≈ s · max(−1, min(1, round(W / s))) with
 * s = mean|W| + ε, trained with the straight-through estimator. The norms that the publication adds before each matrix are
 * not added, since a trained model does not have them.
 */
import * as z from "zod";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { chooseRepresentations, selectWholeTargets } from "../compression/denseTargets";
import { compressByWeights } from "../compression/layerwise";
import { defineMethod, planBetween } from "../compression/method";
import { chooseQuantizedRepresentation, QuantizedMatrix } from "../compression/quantization/quantization";
import { createTargetOptions, type Target } from "../compression/targets";
import { createOriginalTeacher, trainingSchema } from "../compression/training";
import { readFloats } from "../compression/unpackTargets";
import type { ModelShape } from "../models/model";
import { activationsSchema } from "../representations/activations";
import { toInOut, weightName } from "../representations/dense";
import type { MatrixSpec } from "../representations/representation";
import { createTernaryTrainee, ternaryEpsilon } from "../training/ternaryWeights";
import { createTrainee } from "../training/trainee";

const title = "BitNet b1.58";

const optionsSchema = z
  .strictObject({
    activations: activationsSchema
      .optional()
      .describe(
        "Round the inputs of the matrices as well, each token by its own scale, also in training. As published: 8 bits. Default: they stay as they are.",
      ),
    ...createTargetOptions("all projections"),
    train: trainingSchema.describe("Training with ternary weights. Default: none, which only rounds."),
    alpha_clm: z.number().min(0).default(1).describe("Loss weight of the labels."),
    alpha_ce: z
      .number()
      .min(0)
      .default(0)
      .describe(
        "Loss weight of the divergence from the original model's distribution. Default: labels alone, as published.",
      ),
    temperature: z
      .number()
      .positive()
      .default(1)
      .describe("Temperature that divides the logits of both models in the divergence."),
  })
  .superRefine(({ alpha_clm: labels, alpha_ce: divergence }, context) => {
    if (labels > 0 || divergence > 0) return;
    const message = "must be above 0 if alpha_ce is 0, since nothing else is left to train by";
    context.addIssue({ code: "custom", path: ["alpha_clm"], message, input: labels });
  });
type Options = z.output<typeof optionsSchema>;

const train = { max_steps: 2, per_device_train_batch_size: 2, learning_rate: 1e-3 };

export default defineMethod<Options>({
  title,
  paper:
    "Ma, Wang, Ma, Wang, Wang, Huang, Dong, Wang, Xue, Wei: The Era of 1-bit LLMs: All Large Language Models are in 1.58 Bits, 2024",
  options: optionsSchema,
  needs: (options) => (options.train === undefined ? [] : ["text"]),
  samples: [
    {},
    { activations: { bits: 8 }, train },
    { targets: "layers.*.mlp.*", alpha_clm: 0, alpha_ce: 1, train },
  ],

  plan(before, options) {
    return planBetween(
      before,
      chooseShape(before, selectWholeTargets(title, before, options), options),
      "roles",
    );
  },

  async apply(before, options, lab) {
    const targets = selectWholeTargets(title, before.shape, options);
    const after = chooseShape(before.shape, targets, options);
    const trained: Checkpoint = {
      ...before,
      tensors:
        options.train === undefined
          ? before.tensors
          : await lab.fit(
              createTernaryTrainee(
                createTrainee(before.shape, chooseTeacher(before.shape, options)),
                after,
                targets.map(({ matrix }) => matrix),
              ),
              before.tensors,
              options.train,
              before.tensors,
            ),
    };
    return compressByWeights(trained, targets, lab, ({ matrix }, unpacked) =>
      roundMatrix(
        matrix,
        toInOut(readFloats(unpacked, weightName(matrix)), matrix),
        options,
      ).toCompressedTarget(lab.algebra),
    );
  },
});

const toQuantizedOptions = ({ activations }: Options) => ({
  bits: 2,
  symmetric: true,
  ternary: true,
  residual: 0,
  activations,
});

function chooseShape(before: ModelShape, targets: readonly Target[], options: Options): ModelShape {
  return chooseRepresentations(before, targets, (target) =>
    chooseQuantizedRepresentation(target, toQuantizedOptions(options)),
  );
}

/** The original model; undefined if the labels alone count, as in plain training. */
function chooseTeacher(shape: ModelShape, options: Options) {
  const isPlain = options.alpha_ce === 0 && options.alpha_clm === 1;
  return isPlain ? undefined : createOriginalTeacher(title, shape, options);
}

/** The matrix [inputs, outputs] as codes −1, 0 and 1 and one scale, which is stored with each output. */
function roundMatrix(matrix: MatrixSpec, dense: Float32Array, options: Options): QuantizedMatrix {
  let sum = 0;
  for (const each of dense) sum += Math.abs(each);
  const scale = Math.fround(sum / dense.length + ternaryEpsilon);
  // Two bits have a code −2, which is not used.
  const clipped = dense.map((each) => Math.max(-scale, Math.min(scale, each)));
  const weights = { dense: clipped, mask: undefined };
  const quantized = new QuantizedMatrix(matrix, toQuantizedOptions(options), weights);
  for (let output = 0; output < matrix.outputs; output++) quantized.setGrid(0, output, { scale, zero: 0 });
  quantized.setAll();
  return quantized;
}
