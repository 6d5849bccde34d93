/**
 * Relative importance and activations (RIA, Zhang et al., ICLR 2024): prunes the weights that are small beside the others of
 * their input and of their output, times the root of the norm of the input, without changing the others. The permutation of
 * inputs for patterns is not implemented.
 */
import * as z from "zod";
import { weightName } from "../representations/dense";
import { formOption } from "../compression/form";
import { layerwiseSchema } from "../compression/layerwise";
import { definePruningByText, maskLowest } from "../compression/pruning/byText";
import {
  checkDsnot,
  dsnotOption,
  exchangeWeights,
  momentsTap,
  readInputMoments,
} from "../compression/pruning/dsnot";
import { checkProfile, profileOptions } from "../compression/pruning/outlierShares";
import { checkPattern, createPruningOptions, maskWeights, readMask } from "../compression/pruning/pruning";
import { scoreRelatively } from "../compression/pruning/relativeImportance";
import { readFloats } from "../compression/unpackTargets";

const optionsSchema = z
  .strictObject({
    ...formOption,
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

export default definePruningByText<Options>({
  title: "RIA",
  paper:
    "Zhang, Bai, Lin, Zhao, Hou, Cannistraci: Plug-and-Play: An Efficient Post-training Pruning Method for Large Language Models, 2024",
  options: optionsSchema,
  samples: [
    { sparsity: 0.5, calibration },
    { mask_structure: "2:4", targets: "layers.*.mlp.*", as: "published", calibration },
    { sparsity: 0.5, scope: "layer", dsnot: { update_threshold: 0 }, calibration },
  ],

  scope: "row",

  tap: () => momentsTap,

  prune(target, tensors, statistics, run) {
    const { matrix } = target;
    const { power, dsnot } = run.settings;
    const weights = readFloats(tensors, weightName(matrix));
    const before = readMask(tensors, target);
    const scores = scoreRelatively(matrix, weights, statistics["squares"]!, power);
    const mask = maskLowest({ matrix, scores, mask: before }, run);
    if (dsnot === undefined) return maskWeights(target, weights, mask);
    const parts = { weights, scores, mask, before };
    const improved = exchangeWeights(matrix, parts, readInputMoments(statistics), dsnot);
    return maskWeights(target, weights, improved);
  },
});
