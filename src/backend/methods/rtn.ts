/** Round to nearest: rounds each weight to the grid of its group, without calibration. */
import * as z from "zod";
import { fillForm } from "../compression/form";
import { compressByWeights } from "../compression/layerwise";
import { defineMethod } from "../compression/method";
import {
  bitLevels,
  planQuantization,
  selectQuantizationTargets,
  quantizationForms,
  quantizationOptions,
  roundToNearest,
  readWeights,
} from "../compression/quantization/quantization";

const title = "Round to nearest";

const optionsSchema = z.strictObject(quantizationOptions);
type Options = z.output<typeof optionsSchema>;

export default defineMethod<Options>({
  title,
  options: optionsSchema,
  rate: "bits",
  levels: bitLevels,
  samples: [
    {},
    { bits: 8, symmetric: false },
    { bits: 3, group_size: 4 },
    { bits: 2, group_size: 8, symmetric: false, residual: 2, targets: "layers.*.mlp.*" },
    { bits: 4, targets: "embed_tokens" },
    { bits: 8, activations: { bits: 8 } },
  ],

  plan: (before, options) => planQuantization(title, before, options),

  async apply(before, given, lab) {
    const options = fillForm(given, quantizationForms);
    const targets = selectQuantizationTargets(title, before.shape, options);
    return compressByWeights(before, targets, lab, (target, tensors) =>
      roundToNearest(target.matrix, readWeights(tensors, target), options).toCompressedTarget(lab.algebra),
    );
  },
});
