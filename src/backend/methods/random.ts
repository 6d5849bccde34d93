/** Random pruning: the control of every other choice of weights. A method that is no better has chosen nothing. */
import * as z from "zod";
import { randomStream } from "../representations/randomStream";
import { defineMethod } from "../compression/method";
import {
  checkPattern,
  decidePruning,
  maskOf,
  planPruning,
  pruningOptions,
  withMasks,
  withoutDropped,
} from "../compression/pruning/pruning";
import { maskSmallest } from "../compression/pruning/smallest";
import { takenApart } from "../compression/takenApart";

const title = "Random pruning";

const options = z
  .strictObject({
    ...pruningOptions(["layer", "row", "global"]),
    seed: z.int().min(0).optional().describe("Seed of the draw; that of the run when left out."),
  })
  .superRefine(checkPattern);
type Options = z.output<typeof options>;

export default defineMethod<Options>({
  title,
  options,
  rate: "sparsity",
  samples: [{ sparsity: 0.4 }, { mask_structure: "1:2" }, { sparsity: 0.7, scope: "global", seed: 3 }],

  plan: (before, given) => planPruning(before, decidePruning(title, before, given, "layer")),

  async apply(before, given, lab) {
    const { targets, within, sparsity } = decidePruning(title, before.shape, given, "layer");
    const tensors = takenApart(before, targets);
    const scored = targets.map((target) => {
      const { matrix } = target;
      const next = randomStream(matrix.role, given.seed ?? lab.seed);
      const scores = Float32Array.from({ length: matrix.inputs * matrix.outputs }, next);
      return { matrix, scores: withoutDropped(scores, maskOf(tensors, target)) };
    });
    const masks = maskSmallest(scored, within, sparsity).map((mask, i) =>
      mask.map((isKept, at) => (scored[i]!.scores[at]! < 0 ? 0 : isKept)),
    );
    return withMasks(before, tensors, targets, masks);
  },
});
