/**
 * Relative importance and activations (RIA, Zhang et al., ICLR 2024): prunes the weights that are small beside the others of
 * their input and of their output, times the root of the norm of the input, without changing the others. The permutation of
 * inputs for patterns is not implemented.
 */
import * as z from "zod";
import { weightName } from "../representations/dense";
import type { ModelShape } from "../models/model";
import { compressLayerwise, layerwiseSchema } from "../compression/layerwise";
import { refuseEmbeddings } from "../compression/denseTargets";
import { defineMethod } from "../compression/method";
import {
  checkDsnot,
  dsnotOption,
  exchangeWeights,
  momentsTap,
  readInputMoments,
} from "../compression/pruning/dsnot";
import { maskCount } from "../compression/pruning/maskCount";
import {
  checkProfile,
  distributeSparsity,
  planProfile,
  profileOptions,
} from "../compression/pruning/outlierShares";
import {
  checkPattern,
  decidePruning,
  maskWeights,
  createPruningOptions,
  readMask,
} from "../compression/pruning/pruning";
import { scoreRelatively } from "../compression/pruning/relativeImportance";
import { maskSmallest } from "../compression/pruning/smallest";
import { readFloats } from "../compression/unpackTargets";

const title = "RIA";

const optionsSchema = z
  .strictObject({
    ...createPruningOptions(["row", "layer"]),
    power: z.number().min(0).default(0.5).describe("The power of the norm of an input; 0 ignores the text."),
    ...profileOptions,
    ...dsnotOption,
    calibration: layerwiseSchema,
  })
  .superRefine(checkPattern)
  .superRefine(checkProfile)
  .superRefine(checkDsnot);
type Options = z.output<typeof optionsSchema>;

const calibration = { samples: 4, batch_size: 2 };

function decide(shape: ModelShape, settings: Options): ReturnType<typeof decidePruning> {
  const pruning = decidePruning(title, shape, settings, "row");
  refuseEmbeddings(title, pruning.targets);
  return pruning;
}

export default defineMethod<Options>({
  title,
  paper:
    "Zhang, Bai, Lin, Zhao, Hou, Cannistraci: Plug-and-Play: An Efficient Post-training Pruning Method for Large Language Models, 2024",
  options: optionsSchema,
  rate: "sparsity",
  needs: () => ["text"],
  samples: [
    { sparsity: 0.5, calibration },
    { mask_structure: "2:4", targets: "layers.*.mlp.*", calibration },
    { sparsity: 0.5, scope: "layer", dsnot: { update_threshold: 0 }, calibration },
  ],

  plan: (before, settings) => planProfile(title, before, decide(before, settings), settings),

  async apply(before, settings, lab) {
    const pruning = decide(before.shape, settings);
    const { targets, within, sparsity } = pruning;
    const dropped = await distributeSparsity(before, pruning, settings, settings.calibration, lab);
    return compressLayerwise(
      before,
      targets,
      momentsTap,
      settings.calibration,
      lab,
      (target, tensors, statistics) => {
        const { matrix } = target;
        const weights = readFloats(tensors, weightName(matrix));
        const prunedBefore = readMask(tensors, target);
        const scores = scoreRelatively(matrix, weights, statistics["squares"]!, settings.power);
        const scored = { matrix, scores, mask: prunedBefore };
        const mask =
          within === "row" || within === "layer"
            ? maskCount(scored, within, dropped[targets.indexOf(target)]!)
            : maskSmallest([scored], within, sparsity)[0]!;
        if (settings.dsnot === undefined) return maskWeights(target, weights, mask);
        const parts = { weights, scores, mask, before: prunedBefore };
        const improved = exchangeWeights(matrix, parts, readInputMoments(statistics), settings.dsnot);
        return maskWeights(target, weights, improved);
      },
    );
  },
});
