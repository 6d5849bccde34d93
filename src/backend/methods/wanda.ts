/**
 * Wanda (Sun et al., ICLR 2024): prunes the weights of each output with the smallest product of magnitude and input norm,
 * |W_ij|·‖X_j‖₂, without changing the others.
 */
import * as z from "zod";
import { weightName } from "../representations/dense";
import { fillForm, formOption } from "../compression/form";
import { gramTap } from "../compression/calibration/observe";
import { layerwiseSchema } from "../compression/layerwise";
import { definePruningByText, maskLowest } from "../compression/pruning/byText";
import {
  checkDsnot,
  dsnotOption,
  exchangeWeights,
  momentsTap,
  readInputMoments,
} from "../compression/pruning/dsnot";
import { createInputLookup } from "../compression/pruning/maskCount";
import { checkProfile, profileOptions } from "../compression/pruning/outlierShares";
import { checkPattern, createPruningOptions, maskWeights, readMask } from "../compression/pruning/pruning";
import { refitKept, refitOption } from "../compression/pruning/refit";
import { readFloats } from "../compression/unpackTargets";

const optionsSchema = z
  .strictObject({
    ...formOption,
    ...createPruningOptions(["row", "layer"]),
    ...profileOptions,
    ...dsnotOption,
    refit: refitOption,
    calibration: layerwiseSchema,
  })
  .superRefine(checkPattern)
  .superRefine(checkProfile)
  .superRefine(checkDsnot);
type Options = z.output<typeof optionsSchema>;

const forms = { improved: { refit: 10 }, published: { refit: 0 } } as const;

const calibration = { samples: 4, batch_size: 2 };

export default definePruningByText<Options>({
  title: "Wanda",
  paper: "Sun, Liu, Bair, Kolter: A Simple and Effective Pruning Approach for Large Language Models, 2024",
  options: optionsSchema,
  samples: [
    { sparsity: 0.5, calibration },
    { mask_structure: "2:4", targets: "layers.*.mlp.*", calibration },
    { sparsity: 0.3, scope: "layer", calibration: { ...calibration, inputs: "original" } },
    { sparsity: 0.6, sparsity_profile: "owl", owl_lmbda: 0.2, dsnot: {}, calibration },
  ],

  scope: "row",

  tap: (settings) => {
    const { refit } = fillForm(settings, forms);
    return (...given) => ({ ...momentsTap(...given), ...(refit > 0 ? gramTap(...given) : {}) });
  },

  async prune(target, tensors, statistics, run) {
    const { matrix } = target;
    const { refit, dsnot } = fillForm(run.settings, forms);
    const weights = readFloats(tensors, weightName(matrix));
    const inputOf = createInputLookup(matrix);
    const norms = statistics["squares"]!.map(Math.sqrt);
    const scores = new Float32Array(weights.length);
    for (let i = 0; i < scores.length; i++) scores[i] = Math.abs(weights[i]!) * norms[inputOf(i)]!;
    const before = readMask(tensors, target);
    const parts = { weights, scores, mask: maskLowest({ matrix, scores, mask: before }, run), before };
    const mask =
      dsnot === undefined ? parts.mask : exchangeWeights(matrix, parts, readInputMoments(statistics), dsnot);
    const kept =
      refit > 0
        ? await refitKept(run.lab.algebra, matrix, weights, weights, mask, statistics["gram"]!, refit)
        : weights;
    return maskWeights(target, kept, mask);
  },
});
