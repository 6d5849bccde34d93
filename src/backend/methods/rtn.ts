/** Round to nearest: rounds each weight to the grid of its group, without calibration. */
import * as z from "zod";
import { layerByLayer, layerwiseSchema } from "../compression/layerwise";
import { defineMethod } from "../compression/method";
import {
  bitLevels,
  planQuantising,
  quantisedTargets,
  quantisingOptions,
  roundedToNearest,
  weightsOf,
} from "../compression/quantization/quantising";

const title = "Round to nearest";

const options = z.strictObject(quantisingOptions);
type Options = z.output<typeof options>;

export default defineMethod<Options>({
  title,
  options,
  rate: "bits",
  levels: bitLevels,
  samples: [
    {},
    { bits: 8, symmetric: false },
    { bits: 3, group_size: 4 },
    { bits: 2, group_size: 8, symmetric: false, residual: 2, targets: "layers.*.mlp.*" },
    { bits: 4, targets: "embed_tokens" },
  ],

  plan: (before, options) => planQuantising(title, before, options),

  async apply(before, options, lab) {
    const targets = quantisedTargets(title, before.shape, options);
    return layerByLayer(before, targets, undefined, layerwiseSchema.parse({}), lab, (target, tensors) =>
      roundedToNearest(target.matrix, weightsOf(tensors, target), options).treated(),
    );
  },
});
