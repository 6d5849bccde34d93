/** Round to nearest: each weight becomes the nearest point of the grid of its group, and nothing is looked at but the weights. */
import * as z from "zod";
import { toInOut, weightName } from "../representations/dense";
import { layerByLayer, layerwiseSchema } from "./layerwise";
import { defineMethod } from "./method";
import {
  bitLevels,
  gridOf,
  planQuantising,
  Quantised,
  quantisedTargets,
  quantisingOptions,
  rangeOf,
} from "./quantising";
import { floatsOf } from "./takenApart";

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
    return layerByLayer(before, targets, undefined, layerwiseSchema.parse({}), lab, ({ matrix }, tensors) => {
      const { inputs, outputs } = matrix;
      const dense = toInOut(floatsOf(tensors, weightName(matrix)), matrix);
      const quantised = new Quantised(matrix, given);
      const { groupSize: size } = quantised;
      for (let output = 0; output < outputs; output++)
        for (let group = 0; group * size < inputs; group++) {
          const [low, high] = rangeOf(dense, outputs, output, group * size, (group + 1) * size);
          quantised.setGrid(group, output, gridOf(low, high, given));
        }
      for (let input = 0; input < inputs; input++)
        for (let output = 0; output < outputs; output++)
          quantised.set(input, output, dense[input * outputs + output]!);
      return quantised.treated(dense);
    });
  },
});
