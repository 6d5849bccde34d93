/** Round to nearest: each weight becomes the nearest point of the grid of its group, and nothing is looked at but the weights. */
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

  plan: (before, given) => planQuantising(title, before, given),

  async apply(before, given, lab) {
    const targets = quantisedTargets(title, before.shape, given);
    return layerByLayer(before, targets, undefined, layerwiseSchema.parse({}), lab, (target, tensors) =>
      roundedToNearest(target.matrix, weightsOf(tensors, target), given).treated(),
    );
  },
});
