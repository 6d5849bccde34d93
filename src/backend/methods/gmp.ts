/**
 * Gradual magnitude pruning (Zhu and Gupta 2017): increases sparsity along a cubic schedule while the model trains, quickly
 * at first and slowly at the end: s_t = s_f·(1 − (1 − t/n)³).
 */
import * as z from "zod";
import { defineMethod } from "../compression/method";
import {
  checkPattern,
  decidePruning,
  planPruning,
  pruneByScore,
  createPruningOptions,
  scoreByMagnitude,
} from "../compression/pruning/pruning";
import { trainingSchema } from "../compression/training";

const title = "Gradual magnitude pruning";

const optionsSchema = z
  .strictObject({
    ...createPruningOptions(["layer", "row", "global"]),
    prunings: z.int().min(1).default(10).describe("Number of pruning steps."),
    train: trainingSchema.describe("Training after each pruning step except the last. Default: none."),
  })
  .superRefine(checkPattern)
  .superRefine(({ mask_structure }, context) => {
    if (mask_structure !== "unstructured")
      context.addIssue({
        code: "custom",
        path: ["mask_structure"],
        message: "a pattern cannot be reached gradually; use magnitude instead",
        input: mask_structure,
      });
  });
type Options = z.output<typeof optionsSchema>;

const train = { max_steps: 1, per_device_train_batch_size: 2, learning_rate: 1e-3 };

export default defineMethod<Options>({
  title,
  paper:
    "Zhu, Gupta: To Prune, or Not to Prune: Exploring the Efficacy of Pruning for Model Compression, 2017",
  options: optionsSchema,
  rate: "sparsity",
  needs: (settings) => (settings.train === undefined ? [] : ["text"]),
  samples: [
    { sparsity: 0.5 },
    { sparsity: 0.8, prunings: 3, train },
    { sparsity: 0.6, scope: "global", prunings: 2 },
  ],

  plan: (before, settings) => planPruning(before, decidePruning(title, before, settings, "layer")),

  async apply(before, settings, lab) {
    const { sparsity = 0.5, prunings } = settings;
    let model = before;
    for (let step = 1; step <= prunings; step++) {
      const share = step === prunings ? sparsity : sparsity * (1 - (1 - step / prunings) ** 3);
      const pruning = decidePruning(title, model.shape, { ...settings, sparsity: share }, "layer");
      model = pruneByScore(model, pruning, scoreByMagnitude);
      lab.progress(step, prunings, "prunings");
      if (settings.train !== undefined && step < prunings) model = await lab.train(model, settings.train);
    }
    return model;
  },
});
