/**
 * Movement pruning (Sanh et al. 2020): keeps the weights that training moves away from zero. Scores are trained with the
 * weights by straight-through gradients, and the share of weights with the highest scores shrinks along a cubic.
 */
import * as z from "zod";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { calibrationSchema } from "../compression/calibration/batches";
import { chooseRepresentations } from "../compression/denseTargets";
import { defineMethod, type Lab } from "../compression/method";
import {
  createPruningOptions,
  decidePruning,
  planPruning,
  pruneByScore,
  type Pruning,
  readMask,
} from "../compression/pruning/pruning";
import { maskSmallest } from "../compression/pruning/smallest";
import { trainingSchema } from "../compression/training";
import { readFloats, unpackTargets } from "../compression/unpackTargets";
import type { Target } from "../compression/targets";
import { denseShape, weightName } from "../representations/dense";
import { maskName } from "../representations/masked";
import { createMovingTrainee, scoresName, thresholdName } from "../training/movingMasks";
import { createTrainee } from "../training/trainee";

const title = "Movement pruning";

const { mask_structure: _, ...pruningOptions } = createPruningOptions(["layer", "global"]);
const optionsSchema = z.strictObject({
  ...pruningOptions,
  prunings: z
    .int()
    .min(1)
    .default(10)
    .describe("Number of trainings, after each of which a larger share is masked."),
  train: trainingSchema.describe(
    "Training of weights and scores before each pruning step. Default: none; scores are those of a single gradient step on the calibration text.",
  ),
  calibration: calibrationSchema,
});
type Options = z.output<typeof optionsSchema>;

const train = { max_steps: 1, per_device_train_batch_size: 2, learning_rate: 1e-3 };
const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper: "Sanh, Wolf, Rush: Movement Pruning: Adaptive Sparsity by Fine-Tuning, 2020",
  options: optionsSchema,
  rate: "sparsity",
  needs: () => ["text"],
  samples: [
    { sparsity: 0.5, calibration },
    { sparsity: 0.8, prunings: 2, train },
    { sparsity: 0.6, scope: "global", prunings: 2, train, targets: "layers.*.mlp.*" },
  ],

  plan: (before, options) => planPruning(before, decide(before, options)),

  async apply(before, options, lab) {
    const { sparsity = 0.5, prunings, train: training } = options;
    const pruning = decide(before.shape, options);
    if (training === undefined) {
      const scores = await scoreByGradient(before, pruning.targets, options, lab);
      return pruneByScore(before, pruning, ({ matrix }) => scores.get(weightName(matrix))!);
    }
    // Masks that keep everything split packed matrices, and hold what was dropped before.
    const started = pruneByScore(
      before,
      { ...pruning, sparsity: 0 },
      ({ matrix }) => new Float32Array(matrix.inputs * matrix.outputs),
    );
    const names = pruning.targets.map(({ matrix }) => weightName(matrix));
    const trainee = createMovingTrainee(createTrainee(started.shape), new Set(names));
    const targets = decide(started.shape, options).targets;
    let tensors = addScores(started, targets);
    for (let step = 0; step < prunings; step++) {
      const share = sparsity * (1 - (1 - step / prunings) ** 3);
      tensors = setThresholds(tensors, { ...pruning, targets, sparsity: share });
      tensors = new Map(await lab.fit(trainee, tensors, training));
      lab.progress(step + 1, prunings, "prunings");
    }
    const scores = new Map(names.map((name) => [name, readFloats(tensors, scoresName(name))]));
    const trained = { ...before, shape: started.shape, tensors: removeScores(tensors, names) };
    return pruneByScore(trained, { ...pruning, targets }, ({ matrix }) => scores.get(weightName(matrix))!);
  },
});

const decide = (shape: Checkpoint["shape"], options: Options): Pruning =>
  decidePruning(title, shape, { ...options, mask_structure: "unstructured" }, "layer");

/** −W ⊙ ∂L/∂W: the scores after one step of gradient descent from zero. */
async function scoreByGradient(
  before: Checkpoint,
  targets: readonly Target[],
  options: Options,
  lab: Lab,
): Promise<ReadonlyMap<string, Float32Array>> {
  const tensors = unpackTargets(before, targets);
  for (const target of targets) {
    const mask = readMask(tensors, target);
    if (mask === undefined) continue;
    const name = weightName(target.matrix);
    const data = readFloats(tensors, name).map((each, i) => (mask[i] === 1 ? each : 0));
    tensors.set(name, { shape: denseShape(target.matrix), data });
    tensors.delete(maskName(target.matrix));
  }
  const shape = chooseRepresentations(before.shape, targets, () => ({ type: "dense", options: {} }));
  const names = new Set(targets.map(({ matrix }) => weightName(matrix)));
  const { moments } = await lab.gradients({ shape, tensors }, names, options.calibration);
  return new Map(
    [...names].map((name) => {
      const { mean } = moments.get(name)!;
      return [name, readFloats(tensors, name).map((weight, i) => -weight * mean[i]!)];
    }),
  );
}

function addScores({ tensors }: Checkpoint, targets: readonly Target[]): Map<string, HostTensor> {
  const added = new Map(tensors);
  for (const { matrix } of targets) {
    const data = new Float32Array(matrix.inputs * matrix.outputs);
    added.set(scoresName(weightName(matrix)), { shape: denseShape(matrix), data });
  }
  return added;
}

/** Thresholds that the lowest scores of the share do not exceed; below every score where none is dropped. */
function setThresholds(tensors: ReadonlyMap<string, HostTensor>, pruning: Pruning): Map<string, HostTensor> {
  const scored = pruning.targets.map((target) => ({
    matrix: target.matrix,
    scores: readFloats(tensors, scoresName(weightName(target.matrix))),
    mask: readMask(tensors, target),
  }));
  const changed = new Map(tensors);
  maskSmallest(scored, pruning.within, pruning.sparsity).forEach((kept, i) => {
    const { matrix, scores, mask } = scored[i]!;
    let threshold = -3e38;
    scores.forEach((score, at) => {
      if (kept[at] === 0 && mask?.[at] !== 0) threshold = Math.max(threshold, score);
    });
    changed.set(thresholdName(weightName(matrix)), { shape: [1], data: Float32Array.of(threshold) });
  });
  return changed;
}

function removeScores(
  tensors: ReadonlyMap<string, HostTensor>,
  names: readonly string[],
): Map<string, HostTensor> {
  const left = new Map(tensors);
  for (const name of names) for (const each of [scoresName(name), thresholdName(name)]) left.delete(each);
  return left;
}
