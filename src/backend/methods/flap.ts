/**
 * FLAP (An et al., AAAI 2024): removes the heads and channels whose activations vary least, since their contribution is
 * nearly constant and a bias can add its mean instead.
 */
import * as z from "zod";
import type { ModelShape } from "../models/model";
import { addBiasTensors, addBiases } from "../compression/addBiases";
import { fillForm, formOption } from "../compression/form";
import { defineMethod, planBetween } from "../compression/method";
import { calibrationSchema } from "../compression/calibration/batches";
import { squaresTap, sumsTap, type Tap } from "../compression/calibration/observe";
import {
  selectUnits,
  type UnitGroup,
  findUnitGroups,
  type KeptUnits,
  planStructured,
  createStructuredOptions,
  keepUnits,
} from "../compression/pruning/structured";
import { refitConsumers, refitOptions } from "../compression/pruning/refitConsumers";
import { computeMoments, type Moments, scoreUnits } from "../compression/pruning/fluctuation";
import { readDense } from "../compression/unpackTargets";

const title = "FLAP";

const optionsSchema = z.strictObject({
  ...createStructuredOptions("global"),
  metric: z
    .enum(["fluctuation", "magnitude"])
    .default("fluctuation")
    .describe("Variance of a channel's activations times its squared weights, or its squared weights only."),
  standardize: z
    .enum(["units", "inputs"])
    .optional()
    .describe(
      "What is scaled to mean 0 and variance 1 in each layer before layers are compared: the scores of heads and channels, or those of their inputs, squared for heads, of which a head takes the mean. Default: `units`, and `inputs` in the published form, as in the authors' code.",
    ),
  ...refitOptions,
  compensate: z
    .boolean()
    .optional()
    .describe(
      "Add the mean of the removed units to the bias. A model without biases gets them, and they count as parameters. Default: false, and true in the published form.",
    ),
  calibration: calibrationSchema,
  ...formOption,
});
type Options = z.output<typeof optionsSchema>;

const forms = {
  improved: { standardize: "units", refit: true, compensate: false },
  published: { standardize: "inputs", refit: false, compensate: true },
} as const;
const fill = (options: Options) => fillForm(options, forms);
type FilledOptions = ReturnType<typeof fill>;

const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper:
    "An, Zhao, Yu, Tang, Wang: Fluctuation-based Adaptive Structured Pruning for Large Language Models, 2024",
  options: optionsSchema,
  rate: "rate",
  needs: () => ["text"],
  samples: [
    { rate: 0, calibration },
    { rate: 0.3, compensate: false, calibration },
    { rate: 0.5, scope: "layer", compensate: false, calibration },
    { rate: 0.4, parts: ["channels"], layers: [1, 1], metric: "magnitude", calibration },
    { rate: 0.3, as: "published", compensate: false, calibration },
  ],

  plan(before, given) {
    const options = fill(given);
    const shape = addCompensationBiases(before, options);
    const { shape: after, exact } = planStructured(shape, findUnitGroups(title, shape, options), options);
    return planBetween(before, after, exact);
  },

  async apply(original, given, lab) {
    const options = fill(given);
    const before = addBiasTensors(original, addCompensationBiases(original.shape, options));
    const groups = findUnitGroups(title, before.shape, options);
    if (options.rate === 0) return original;
    const tap: Tap = (...given) => ({ ...sumsTap(...given), ...squaresTap(...given) });
    const roles = groups.map(({ consumer }) => consumer.matrix.role);
    const statistics = await lab.observe(
      before,
      new Map(roles.map((role) => [role, tap])),
      options.calibration,
    );
    const moments = groups.map(({ consumer }) => computeMoments(statistics.get(consumer.matrix.role)!));
    const weights = groups.map(({ consumer }) => readDense(before.tensors, consumer.content));
    const scores = groups.map((group, i) => scoreUnits(group, weights[i]!, moments[i]!, options));
    const keptUnits = selectUnits(groups, scores, options);
    if (options.refit)
      return keepUnits(await refitConsumers(before, groups, keptUnits, options, lab), groups, keptUnits);
    const shifts = options.compensate ? computeShifts(groups, keptUnits, weights, moments) : undefined;
    return keepUnits(before, groups, keptUnits, shifts);
  },
});

/** The average contribution of the removed inputs to each consumer: Σ mean_j · W_j. */
function computeShifts(
  groups: readonly UnitGroup[],
  keptUnits: KeptUnits,
  weights: readonly Float32Array[],
  moments: readonly Moments[],
): ReadonlyMap<string, Float64Array> {
  return new Map(
    groups.map(({ units, consumer }, group) => {
      const { inputs, outputs, role } = consumer.content.matrix;
      const keptSet = new Set(keptUnits[group]);
      const shift = new Float64Array(outputs);
      for (let input = 0; input < inputs; input++) {
        if (keptSet.has(Math.floor((input * units) / inputs))) continue;
        for (let output = 0; output < outputs; output++)
          shift[output]! += moments[group]!.mean[input]! * weights[group]![input * outputs + output]!;
      }
      return [role, shift];
    }),
  );
}

/** Adds a bias to every matrix that reads heads or channels that may be removed. */
function addCompensationBiases(shape: ModelShape, options: FilledOptions): ModelShape {
  if (!options.compensate || options.rate === 0) return shape;
  const readers = findUnitGroups(title, shape, options).map(({ consumer }) => consumer.content.matrix.role);
  return addBiases(title, shape, readers, "Set compensate: false.");
}
