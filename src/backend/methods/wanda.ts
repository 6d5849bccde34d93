/**
 * Wanda (Sun et al., ICLR 2024): prunes the weights of each output with the smallest product of magnitude and input norm,
 * |W_ij|·‖X_j‖₂, without changing the others.
 */
import * as z from "zod";
import { weightName } from "../representations/dense";
import type { ModelShape } from "../models/model";
import { fillForm, formOption } from "../compression/form";
import { gramTap, type Tap } from "../compression/calibration/observe";
import { compressLayerwise, fillLayerwise, layerwiseSchema } from "../compression/layerwise";
import { refuseEmbeddings } from "../compression/denseTargets";
import { defineMethod } from "../compression/method";
import {
  checkPattern,
  decidePruning,
  maskWeights,
  createPruningOptions,
  readMask,
} from "../compression/pruning/pruning";
import {
  checkDsnot,
  dsnotOption,
  exchangeWeights,
  momentsTap,
  readInputMoments,
} from "../compression/pruning/dsnot";
import { createInputLookup, maskCount } from "../compression/pruning/maskCount";
import {
  checkProfile,
  distributeSparsity,
  planProfile,
  profileOptions,
} from "../compression/pruning/outlierShares";
import { refitKept, refitOption } from "../compression/pruning/refit";
import { maskSmallest } from "../compression/pruning/smallest";
import { readFloats } from "../compression/unpackTargets";

const title = "Wanda";

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

function decide(shape: ModelShape, settings: Options): ReturnType<typeof decidePruning> {
  const pruning = decidePruning(title, shape, settings, "row");
  refuseEmbeddings(title, pruning.targets);
  return pruning;
}

export default defineMethod<Options>({
  title,
  paper: "Sun, Liu, Bair, Kolter: A Simple and Effective Pruning Approach for Large Language Models, 2024",
  options: optionsSchema,
  rate: "sparsity",
  needs: () => ["text"],
  samples: [
    { sparsity: 0.5, calibration },
    { mask_structure: "2:4", targets: "layers.*.mlp.*", calibration },
    { sparsity: 0.3, scope: "layer", calibration: { ...calibration, inputs: "original" } },
    { sparsity: 0.6, sparsity_profile: "owl", owl_lmbda: 0.2, dsnot: {}, calibration },
  ],

  plan: (before, settings) => planProfile(title, before, decide(before, settings), settings),

  async apply(before, settings, lab) {
    const pruning = decide(before.shape, settings);
    const { targets, within, sparsity } = pruning;
    const { refit } = fillForm(settings, forms);
    const dropped = await distributeSparsity(before, pruning, settings, settings.calibration, lab);
    const tap: Tap = (x, ...rest) => ({
      ...momentsTap(x, ...rest),
      ...(refit > 0 ? gramTap(x, ...rest) : {}),
    });
    return compressLayerwise(
      before,
      targets,
      tap,
      fillLayerwise(settings.as, settings.calibration),
      lab,
      async (target, tensors, statistics) => {
        const { matrix } = target;
        const weights = readFloats(tensors, weightName(matrix));
        const inputOf = createInputLookup(matrix);
        const norms = statistics["squares"]!.map(Math.sqrt);
        const scores = new Float32Array(weights.length);
        for (let i = 0; i < scores.length; i++) scores[i] = Math.abs(weights[i]!) * norms[inputOf(i)]!;
        const scored = { matrix, scores, mask: readMask(tensors, target) };
        const mask =
          within === "row" || within === "layer"
            ? maskCount(scored, within, dropped[targets.indexOf(target)]!)
            : maskSmallest([scored], within, sparsity)[0]!;
        const { dsnot } = settings;
        const parts = { weights, scores, mask, before: scored.mask };
        const final =
          dsnot === undefined ? mask : exchangeWeights(matrix, parts, readInputMoments(statistics), dsnot);
        const kept =
          refit > 0
            ? await refitKept(lab.algebra, matrix, weights, weights, final, statistics["gram"]!, refit)
            : weights;
        return maskWeights(target, kept, final);
      },
    );
  },
});
