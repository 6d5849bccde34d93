/** Random pruning: a baseline for all methods that choose weights. */
import * as z from "zod";
import { createRandomStream } from "../representations/randomStream";
import { defineMethod } from "../compression/method";
import {
  checkPattern,
  decidePruning,
  planPruning,
  pruneByScore,
  createPruningOptions,
} from "../compression/pruning/pruning";

const title = "Random pruning";

const optionsSchema = z
  .strictObject({
    ...createPruningOptions(["layer", "row", "global"]),
    seed: z.int().min(0).optional().describe("Seed of the random choice. Default: the seed of the run."),
  })
  .superRefine(checkPattern);
type Options = z.output<typeof optionsSchema>;

export default defineMethod<Options>({
  title,
  options: optionsSchema,
  rate: "sparsity",
  samples: [{ sparsity: 0.4 }, { mask_structure: "1:2" }, { sparsity: 0.7, scope: "global", seed: 3 }],

  plan: (before, settings) => planPruning(before, decidePruning(title, before, settings, "layer")),

  async apply(before, settings, lab) {
    return pruneByScore(before, decidePruning(title, before.shape, settings, "layer"), ({ matrix }) =>
      Float32Array.from(
        { length: matrix.inputs * matrix.outputs },
        createRandomStream(matrix.role, settings.seed ?? lab.seed),
      ),
    );
  },
});
