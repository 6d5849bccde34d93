/**
 * GPTQ (Frantar et al., 2022): rounds weights one input at a time and compensates for the error, measured on real text, with
 * the remaining inputs.
 */
import * as z from "zod";
import { fillForm } from "../compression/form";
import { compressLayerwise, fillLayerwise, layerwiseSchema } from "../compression/layerwise";
import { refuseEmbeddings } from "../compression/denseTargets";
import { defineMethod } from "../compression/method";
import type { Target } from "../compression/targets";
import type { ModelShape } from "../models/model";
import {
  bitLevels,
  planQuantization,
  QuantizedMatrix,
  selectQuantizationTargets,
  quantizationForms,
  quantizationOptions,
  readWeights,
} from "../compression/quantization/quantization";
import {
  describeCurvature,
  computeCurvature,
  curvatureTap,
  dampingOption,
  decideAll,
} from "../compression/algebra/secondOrder";

const title = "GPTQ";

const optionsSchema = z.strictObject({
  ...quantizationOptions,
  act_order: z
    .boolean()
    .default(false)
    .describe(
      "Round the most important inputs first. Groups keep their positions and the scales of the original weights, so no order is stored.",
    ),
  damping: dampingOption,
  calibration: layerwiseSchema,
});
type Options = z.output<typeof optionsSchema>;

const calibration = { samples: 4, batch_size: 2 };

function selectTargets(shape: ModelShape, options: Options): readonly Target[] {
  const targets = selectQuantizationTargets(title, shape, options);
  refuseEmbeddings(title, targets);
  return targets;
}

export default defineMethod<Options>({
  title,
  paper: "Frantar, Ashkboos, Hoefler, Alistarh: GPTQ: Accurate Post-Training Quantization, 2022",
  options: optionsSchema,
  rate: "bits",
  levels: bitLevels,
  needs: () => ["text"],
  samples: [
    { calibration },
    { bits: 3, group_size: 4, act_order: true, calibration },
    { bits: 2, symmetric: false, group_size: 8, residual: 2, targets: "layers.*.mlp.*", calibration },
  ],

  plan(before, options) {
    selectTargets(before, options);
    return planQuantization(title, before, options);
  },

  async apply(before, given, lab) {
    const options = fillForm(given, quantizationForms);
    const targets = selectTargets(before.shape, options);
    return compressLayerwise(
      before,
      targets,
      curvatureTap,
      fillLayerwise(options.as, options.calibration),
      lab,
      async (target, tensors, { gram, tokens }) => {
        const { matrix } = target;
        const { inputs, outputs, role } = matrix;
        const targetWeights = readWeights(tensors, target);
        const { dense } = targetWeights;
        const order = options.act_order
          ? sortByDiagonal(gram!, inputs)
          : Array.from({ length: inputs }, (_, i) => i);
        const curvature = await computeCurvature(
          lab.algebra,
          options.act_order ? reorder(gram!, order) : gram!,
          inputs,
          options.damping,
        );
        for (const notice of describeCurvature(curvature, role, options.damping, tokens?.[0]))
          lab.log(notice);
        const quantized = new QuantizedMatrix(matrix, options, targetWeights);
        const { groupSize: size } = quantized;
        const weights = new Float64Array(inputs * outputs); // [outputs, ordered inputs]
        for (let place = 0; place < inputs; place++)
          for (let output = 0, from = order[place]! * outputs; output < outputs; output++)
            weights[output * inputs + place] = dense[from + output]!;
        const importance = (input: number) => gram![input * inputs + input]!;
        const setGrid = (group: number, output: number, weightAt: (input: number) => number) =>
          quantized.setGrid(
            group,
            output,
            quantized.chooseGrid(group, output, options, weightAt, importance),
          );
        if (options.act_order)
          for (let output = 0; output < outputs; output++)
            for (let group = 0; group * size < inputs; group++)
              setGrid(group, output, (input) => dense[input * outputs + output]!);
        await decideAll(lab.algebra, weights, outputs, curvature, {
          decide: (output, place, value, current) => {
            // The scales of a group are computed from its updated weights when the group is reached.
            if (!options.act_order && place % size === 0)
              setGrid(place / size, output, (input) => current[output * inputs + input]!);
            return quantized.set(order[place]!, output, value);
          },
        });
        return quantized.toCompressedTarget(lab.algebra);
      },
    );
  },
});

/** Sorts inputs by descending diagonal of H. */
function sortByDiagonal(gram: Float64Array, inputs: number): number[] {
  return Array.from({ length: inputs }, (_, i) => i).sort(
    (a, b) => gram[b * inputs + b]! - gram[a * inputs + a]! || a - b,
  );
}

function reorder(gram: Float64Array, order: readonly number[]): Float64Array {
  const n = order.length;
  const out = new Float64Array(n * n);
  order.forEach((from, i) => order.forEach((to, j) => (out[i * n + j] = gram[from * n + to]!)));
  return out;
}
