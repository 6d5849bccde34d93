/** Magnitude pruning (Han et al. 2015): sets the weights nearest to zero to zero and keeps them zero during training. */
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

const title = "Magnitude pruning";

const optionsSchema = z
  .strictObject(createPruningOptions(["layer", "row", "global"]))
  .superRefine(checkPattern);
type Options = z.output<typeof optionsSchema>;

export default defineMethod<Options>({
  title,
  paper: "Han, Pool, Tran, Dally: Learning both Weights and Connections for Efficient Neural Networks, 2015",
  options: optionsSchema,
  rate: "sparsity",
  samples: [
    { sparsity: 0.3 },
    { sparsity: 0.75, scope: "row" },
    { sparsity: 0.6, scope: "global", ignore: ["layers.0.*"] },
    { mask_structure: "2:4", targets: ["layers.*.mlp.down_proj"] },
    { sparsity: 0.5, targets: "embed_tokens" },
  ],

  plan: (before, settings) => planPruning(before, decidePruning(title, before, settings, "layer")),

  async apply(before, settings) {
    return pruneByScore(before, decidePruning(title, before.shape, settings, "layer"), scoreByMagnitude);
  },
});
