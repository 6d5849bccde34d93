/** Magnitude pruning (Han et al. 2015): sets the weights nearest to zero to zero and keeps them zero during training. */
import * as z from "zod";
import { refuseEmbeddings } from "../compression/denseTargets";
import { defineMethod } from "../compression/method";
import { calibrationSchema } from "../compression/calibration/batches";
import {
  checkProfile,
  distributeSparsity,
  planProfile,
  profileOptions,
} from "../compression/pruning/outlierShares";
import {
  checkPattern,
  decidePruning,
  pruneByScore,
  createPruningOptions,
  scoreByMagnitude,
} from "../compression/pruning/pruning";

const title = "Magnitude pruning";

const optionsSchema = z
  .strictObject({
    ...createPruningOptions(["layer", "row", "global"]),
    ...profileOptions,
    calibration: calibrationSchema,
  })
  .superRefine(checkPattern)
  .superRefine(checkProfile);
type Options = z.output<typeof optionsSchema>;

export default defineMethod<Options>({
  title,
  paper: "Han, Pool, Tran, Dally: Learning both Weights and Connections for Efficient Neural Networks, 2015",
  options: optionsSchema,
  rate: "sparsity",
  needs: ({ sparsity_profile }) => (sparsity_profile === "owl" ? ["text"] : []),
  samples: [
    { sparsity: 0.3 },
    { sparsity: 0.75, scope: "row" },
    { sparsity: 0.6, scope: "global", ignore: ["layers.0.*"] },
    { mask_structure: "2:4", targets: ["layers.*.mlp.down_proj"] },
    { sparsity: 0.5, targets: "embed_tokens" },
    { sparsity: 0.6, sparsity_profile: "owl", calibration: { samples: 4, batch_size: 2 } },
  ],

  plan: (before, settings) =>
    planProfile(title, before, decidePruning(title, before, settings, "layer"), settings),

  async apply(before, settings, lab) {
    const pruning = decidePruning(title, before.shape, settings, "layer");
    if (settings.sparsity_profile === "uniform") return pruneByScore(before, pruning, scoreByMagnitude);
    refuseEmbeddings(title, pruning.targets);
    const dropped = await distributeSparsity(before, pruning, settings, settings.calibration, lab);
    return pruneByScore(before, pruning, scoreByMagnitude, dropped);
  },
});
