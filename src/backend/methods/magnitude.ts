/** Magnitude pruning (Han et al. 2015): the weights nearest to zero become zero, and stay zero when training goes on. */
import * as z from "zod";
import { weightName } from "../representations/dense";
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
import { floatsOf, takenApart } from "../compression/takenApart";

const title = "Magnitude pruning";

const options = z.strictObject(pruningOptions(["layer", "row", "global"])).superRefine(checkPattern);
type Options = z.output<typeof options>;

export default defineMethod<Options>({
  title,
  paper: "Han, Pool, Tran, Dally: Learning both Weights and Connections for Efficient Neural Networks, 2015",
  options,
  rate: "sparsity",
  samples: [
    { sparsity: 0.3 },
    { sparsity: 0.75, scope: "row" },
    { sparsity: 0.6, scope: "global", ignore: ["layers.0.*"] },
    { mask_structure: "2:4", targets: ["layers.*.mlp.down_proj"] },
    { sparsity: 0.5, targets: "embed_tokens" },
  ],

  plan: (before, given) => planPruning(before, decidePruning(title, before, given, "layer")),

  async apply(before, given) {
    const { targets, within, sparsity } = decidePruning(title, before.shape, given, "layer");
    const tensors = takenApart(before, targets);
    const scored = targets.map((target) => {
      const scores = floatsOf(tensors, weightName(target.matrix)).map(Math.abs);
      return { matrix: target.matrix, scores: withoutDropped(scores, maskOf(tensors, target)) };
    });
    const masks = maskSmallest(scored, within, sparsity).map((mask, i) =>
      mask.map((isKept, at) => (scored[i]!.scores[at]! < 0 ? 0 : isKept)),
    );
    return withMasks(before, tensors, targets, masks);
  },
});
