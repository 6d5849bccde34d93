/**
 * GPTQ (Frantar et al., 2022): weights are rounded one input after the other, and what each rounding changes in the product of
 * real text is made up for by the inputs that are still to come.
 */
import * as z from "zod";
import { layerByLayer, layerwiseSchema } from "../compression/layerwise";
import { defineMethod } from "../compression/method";
import {
  bitLevels,
  gridOf,
  planQuantising,
  Quantised,
  quantisedTargets,
  quantisingOptions,
  rangeOf,
  weightsOf,
} from "../compression/quantization/quantising";
import { curvatureNotices, curvatureOf, curvatureTap, decideAll } from "../compression/algebra/secondOrder";

const title = "GPTQ";

const options = z.strictObject({
  ...quantisingOptions,
  act_order: z
    .boolean()
    .default(false)
    .describe(
      "Round the inputs that matter most first. Groups keep their place, with the scales of the weights as they were, so that no order has to be stored.",
    ),
  damping: z
    .number()
    .min(0)
    .default(0.01)
    .describe("Added to the diagonal of H, as a share of its mean; more where H is singular all the same."),
  calibration: layerwiseSchema,
});
type Options = z.output<typeof options>;

const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper: "Frantar, Ashkboos, Hoefler, Alistarh: GPTQ: Accurate Post-Training Quantization, 2022",
  options,
  rate: "bits",
  levels: bitLevels,
  needs: () => ["text"],
  samples: [
    { calibration },
    { bits: 3, group_size: 4, act_order: true, calibration },
    { bits: 2, symmetric: false, group_size: 8, residual: 2, targets: "layers.*.mlp.*", calibration },
  ],

  plan: (before, given) => planQuantising(title, before, given),

  async apply(before, given, lab) {
    const targets = quantisedTargets(title, before.shape, given);
    return layerByLayer(
      before,
      targets,
      curvatureTap,
      given.calibration,
      lab,
      (target, tensors, { gram, tokens }) => {
        const { matrix } = target;
        const { inputs, outputs, role } = matrix;
        const own = weightsOf(tensors, target);
        const { dense, mask } = own;
        const order = given.act_order
          ? byDiagonal(gram!, inputs)
          : Array.from({ length: inputs }, (_, i) => i);
        const curvature = curvatureOf(
          given.act_order ? reordered(gram!, order) : gram!,
          inputs,
          given.damping,
        );
        for (const notice of curvatureNotices(curvature, role, given.damping, tokens?.[0])) lab.log(notice);
        const quantised = new Quantised(matrix, given, own);
        const { groupSize: size } = quantised;
        const weights = new Float64Array(inputs * outputs); // [outputs, inputs in their order]
        for (let output = 0; output < outputs; output++)
          order.forEach(
            (input, place) => (weights[output * inputs + place] = dense[input * outputs + output]!),
          );
        const setGrid = (group: number, output: number, [low, high]: readonly [number, number]) =>
          quantised.setGrid(group, output, gridOf(low, high, given));
        if (given.act_order)
          for (let output = 0; output < outputs; output++)
            for (let group = 0; group * size < inputs; group++)
              setGrid(group, output, rangeOf(dense, outputs, output, group * size, (group + 1) * size));
        decideAll(weights, outputs, curvature, {
          decide: (output, place, value, now) => {
            // The scales of a group are those of its weights as they are when its turn comes.
            if (!given.act_order && place % size === 0) {
              const group = now.slice(output * inputs + place, output * inputs + place + size);
              // What the mask drops has taken part of what others lost, and becomes zero again.
              if (mask !== undefined)
                group.forEach((_, i) => {
                  if (mask[(place + i) * outputs + output] === 0) group[i] = 0;
                });
              setGrid(place / size, output, rangeOf(group, 1, 0, 0, size));
            }
            return quantised.set(order[place]!, output, value);
          },
        });
        return quantised.treated();
      },
    );
  },
});

/** Inputs from the largest of H's diagonal on. */
function byDiagonal(gram: Float64Array, inputs: number): number[] {
  return Array.from({ length: inputs }, (_, i) => i).sort(
    (a, b) => gram[b * inputs + b]! - gram[a * inputs + a]! || a - b,
  );
}

function reordered(gram: Float64Array, order: readonly number[]): Float64Array {
  const n = order.length;
  const out = new Float64Array(n * n);
  order.forEach((from, i) => order.forEach((to, j) => (out[i * n + j] = gram[from * n + to]!)));
  return out;
}
