/**
 * AWQ (Lin et al., 2024): before rounding, scales the inputs of matrices by their magnitude on real text, so that the weights
 * that matter most lose least. The scales are folded into the norms and matrices before them.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { ModelShape } from "../models/model";
import { squaresTap } from "../compression/calibration/observe";
import { refuseEmbeddings } from "../compression/denseTargets";
import { fillForm } from "../compression/form";
import { compressLayerwise, fillLayerwise, layerwiseSchema } from "../compression/layerwise";
import { defineMethod } from "../compression/method";
import {
  listScalableGroups,
  type ScalableGroup,
  scaleInputs,
} from "../compression/quantization/activationScales";
import {
  bitLevels,
  planQuantization,
  quantizationForms,
  quantizationOptions,
  readWeights,
  roundToNearest,
  selectQuantizationTargets,
} from "../compression/quantization/quantization";
import type { Target } from "../compression/targets";

const title = "AWQ";

const optionsSchema = z.strictObject({
  ...quantizationOptions,
  n_grid: z
    .int()
    .min(1)
    .default(20)
    .describe(
      "Number of exponents α that are tried for the scales (mean |x|)^α of each input, from 0, which scales nothing, to 1 − 1/n_grid.",
    ),
  calibration: layerwiseSchema,
});
type Options = z.output<typeof optionsSchema>;

const calibration = { samples: 4, batch_size: 2 };

interface Selection {
  readonly targets: readonly Target[];
  readonly groups: readonly ScalableGroup[];
}

function selectTargets(shape: ModelShape, options: Options): Selection {
  const targets = selectQuantizationTargets(title, shape, options);
  refuseEmbeddings(title, targets);
  const groups = listScalableGroups(shape, targets);
  if (groups.length > 0) return { targets, groups };
  throw new WorkbenchError(
    "unsupported",
    `${title} cannot be applied: the inputs of ${targets.map(({ matrix }) => matrix.role).join(", ")} are not computed by a norm or a matrix that scales can be folded into. Choose other targets, or use rtn.`,
  );
}

export default defineMethod<Options>({
  title,
  paper:
    "Lin, Tang, Tang, Yang, Chen, Wang, Xiao, Dang, Gan, Han: AWQ: Activation-aware Weight Quantization for On-Device LLM Compression and Acceleration, 2024",
  options: optionsSchema,
  rate: "bits",
  levels: bitLevels,
  needs: () => ["text"],
  samples: [
    { calibration },
    { bits: 3, group_size: 4, symmetric: false, n_grid: 5, as: "published", calibration },
  ],

  plan(before, options) {
    selectTargets(before, options);
    return planQuantization(title, before, options);
  },

  async apply(before, given, lab) {
    const options = fillForm(given, quantizationForms);
    const { targets, groups } = selectTargets(before.shape, options);
    const scalable = new Set(groups.flatMap((group) => group.targets));
    const others = targets.filter((target) => !scalable.has(target)).map(({ matrix }) => matrix.role);
    if (others.length > 0)
      lab.log(
        `${title}: rounds ${others.join(", ")} without scales, which cannot be folded into what computes their inputs.`,
      );
    const scaled = { ...before, tensors: await scaleInputs(before, groups, options, lab) };
    const layerwise = fillLayerwise(options.as, options.calibration);
    const readsInputs = options.observer === "mse" || layerwise.outputs === "original";
    return compressLayerwise(
      scaled,
      targets,
      readsInputs ? squaresTap : undefined,
      layerwise,
      lab,
      (target, tensors, { squares }) =>
        roundToNearest(
          target.matrix,
          readWeights(tensors, target),
          options,
          squares && ((input) => squares[input]!),
        ).toCompressedTarget(lab.algebra),
    );
  },
});
