/**
 * Dynamic sparse training: a mask of fixed size that moves while the model trains. At intervals, the smallest weights are
 * dropped and as many others grow from zero: those with the largest gradients (RigL, Evci et al. 2020), or random ones (SET,
 * Mocanu et al. 2018).
 */
import * as z from "zod";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { calibrationSchema } from "../compression/calibration/batches";
import { chooseRepresentations } from "../compression/denseTargets";
import { defineMethod, type Lab } from "../compression/method";
import {
  createMaskedShape,
  createPruningOptions,
  decidePruning,
  maskWeights,
  planPruning,
  pruneByScore,
  type Pruning,
  scoreByMagnitude,
} from "../compression/pruning/pruning";
import { exchangeMask } from "../compression/pruning/exchangeMask";
import { trainingSchema } from "../compression/training";
import { readFloats } from "../compression/unpackTargets";
import type { Target } from "../compression/targets";
import { weightName } from "../representations/dense";
import { maskName } from "../representations/masked";
import { countNonZeros } from "../representations/representation";
import { createRandomStream } from "../representations/randomStream";

const title = "Dynamic sparse training";

const { mask_structure: _, scope: __, ...pruningOptions } = createPruningOptions(["layer"]);
const optionsSchema = z.strictObject({
  ...pruningOptions,
  start: z
    .enum(["magnitude", "random"])
    .default("magnitude")
    .describe("First mask: the largest weights of each matrix, or random ones, as published."),
  grow: z
    .enum(["gradient", "random"])
    .default("gradient")
    .describe(
      "Weights that replace the dropped ones: those with the largest gradients on the calibration text (RigL), or random ones (SET).",
    ),
  exchange: z
    .number()
    .min(0)
    .max(1)
    .default(0.3)
    .describe("Share of the kept weights that the first exchange replaces."),
  decay: z
    .enum(["cosine", "constant"])
    .default("cosine")
    .describe("Whether later exchanges replace less, down to none along a cosine (RigL), or the same (SET)."),
  exchanges: z.int().min(1).default(10).describe("Number of exchanges."),
  train: trainingSchema.describe(
    "Training before each exchange and after the last. Default: none, which leaves the first mask.",
  ),
  calibration: calibrationSchema,
});
type Options = z.output<typeof optionsSchema>;

const train = { max_steps: 1, per_device_train_batch_size: 2, learning_rate: 1e-3 };
const calibration = { samples: 2, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper:
    "Evci, Gale, Menick, Castro, Elsen: Rigging the Lottery: Making All Tickets Winners, 2020; Mocanu, Mocanu, Stone, Nguyen, Gibescu, Liotta: Scalable Training of Artificial Neural Networks with Adaptive Sparse Connectivity, 2018",
  options: optionsSchema,
  rate: "sparsity",
  needs: ({ train: training }) => (training === undefined ? [] : ["text"]),
  samples: [
    { sparsity: 0.5 },
    { sparsity: 0.8, exchanges: 1, train, calibration },
    { sparsity: 0.6, start: "random", grow: "random", decay: "constant", exchanges: 1, train },
  ],

  // Weights that grew and that training leaves at zero are dropped in the end, so that fewer may be kept than planned.
  plan: (before, options) => {
    const plan = planPruning(before, decide(before, options));
    return options.train === undefined ? plan : { ...plan, exact: "most" };
  },

  async apply(before, options, lab) {
    const { exchanges, train: training } = options;
    const pruning = decide(before.shape, options);
    const next = createRandomStream(title, lab.seed);
    let model = pruneByScore(before, pruning, (target, tensors) =>
      options.start === "random"
        ? Float32Array.from({ length: target.matrix.inputs * target.matrix.outputs }, next)
        : scoreByMagnitude(target, tensors),
    );
    if (training === undefined) return model;
    for (let step = 0; step < exchanges; step++) {
      model = await lab.train(model, training);
      const share =
        options.decay === "constant"
          ? options.exchange
          : (options.exchange / 2) * (1 + Math.cos((step * Math.PI) / exchanges));
      model = await exchangeWeights(model, decide(model.shape, options).targets, share, options, lab, next);
      lab.progress(step + 1, exchanges, "exchanges");
    }
    return dropZeros(await lab.train(model, training), options);
  },
});

const decide = (shape: Checkpoint["shape"], options: Options): Pruning =>
  decidePruning(title, shape, { ...options, mask_structure: "unstructured" }, "layer");

/** Replaces this share of the kept weights of each target. The number of kept weights stays the same. */
async function exchangeWeights(
  model: Checkpoint,
  targets: readonly Target[],
  share: number,
  options: Options,
  lab: Lab,
  next: () => number,
): Promise<Checkpoint> {
  const gradients =
    options.grow === "gradient" ? await computeDenseGradients(model, targets, options, lab) : undefined;
  const tensors = new Map(model.tensors);
  for (const target of targets) {
    const name = weightName(target.matrix);
    const weights = readFloats(tensors, name);
    const mask = tensors.get(maskName(target.matrix))!.data as Uint8Array;
    const growth = gradients?.get(name)!.map(Math.abs) ?? Float32Array.from(weights, next);
    // A weight that grows starts at zero.
    const data = weights.map((each, i) => (mask[i] === 1 ? each : 0));
    const exchanged = exchangeMask(weights, mask, growth, share);
    for (const [key, tensor] of maskWeights(target, data, exchanged).tensors) tensors.set(key, tensor);
  }
  return { ...model, tensors };
}

/** Takes kept weights that are zero out of the masks, which changes no output. */
function dropZeros(model: Checkpoint, options: Options): Checkpoint {
  const { targets } = decide(model.shape, options);
  const tensors = new Map(model.tensors);
  const keptCounts = targets.map((target) => {
    const weights = readFloats(tensors, weightName(target.matrix));
    const before = tensors.get(maskName(target.matrix))!.data as Uint8Array;
    const mask = before.map((kept, i) => (weights[i] === 0 ? 0 : kept));
    for (const [name, tensor] of maskWeights(target, weights, mask).tensors) tensors.set(name, tensor);
    return countNonZeros(mask);
  });
  return { ...model, shape: createMaskedShape(model.shape, targets, keptCounts), tensors };
}

/** Gradients of all weights, also of those that the masks drop, which are zero in the forward pass. */
async function computeDenseGradients(
  { shape, tensors }: Checkpoint,
  targets: readonly Target[],
  { calibration: text }: Options,
  lab: Lab,
): Promise<ReadonlyMap<string, Float32Array>> {
  const dense = chooseRepresentations(shape, targets, () => ({ type: "dense", options: {} }));
  const values = new Map(tensors);
  for (const { matrix } of targets) {
    const mask = tensors.get(maskName(matrix))!.data as Uint8Array;
    const weight = tensors.get(weightName(matrix))!;
    const data = readFloats(tensors, weightName(matrix)).map((each, i) => (mask[i] === 1 ? each : 0));
    values.set(weightName(matrix), { ...weight, data });
    values.delete(maskName(matrix));
  }
  const names = new Set(targets.map(({ matrix }) => weightName(matrix)));
  const { moments } = await lab.gradients({ shape: dense, tensors: values }, names, text);
  return new Map([...moments].map(([name, { mean }]) => [name, mean]));
}
