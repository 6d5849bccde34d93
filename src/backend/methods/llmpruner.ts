/**
 * LLM-Pruner (Ma et al., NeurIPS 2023): removes the heads and channels whose weights affect the loss least, estimated by its
 * Taylor series on a few sequences. Add a `train` cell afterwards for recovery.
 */
import * as z from "zod";
import type { MatrixSpec } from "../representations/representation";
import type { Gradients } from "../compression/calibration/gradients";
import { fillForm, formOption } from "../compression/form";
import { defineMethod } from "../compression/method";
import { createCalibrationSchema } from "../compression/calibration/batches";
import {
  selectUnits,
  type UnitGroup,
  findUnitGroups,
  planStructured,
  createStructuredOptions,
  keepUnits,
} from "../compression/pruning/structured";
import { refitConsumers, refitOptions } from "../compression/pruning/refitConsumers";
import { readFloats, extractPart, getTensorName } from "../compression/unpackTargets";
import type { Target } from "../compression/targets";

const title = "LLM-Pruner";

const optionsSchema = z.strictObject({
  ...createStructuredOptions("layer"),
  importance: z
    .enum(["first", "mixed"])
    .default("first")
    .describe(
      "Importance of a weight w with gradient g: |w · g|, or |w · g − ½ · w² · E[g²]| with the diagonal of the Fisher information.",
    ),
  aggregation: z
    .enum(["sum", "product", "max", "last"])
    .default("sum")
    .describe("How to combine the matrices of a head or channel. `last` uses the matrix that reads it."),
  ...refitOptions,
  calibration: createCalibrationSchema(10, "compute gradients on", "Text for the gradients and for `refit`."),
  ...formOption,
});
type Options = z.output<typeof optionsSchema>;

const forms = { improved: { refit: true }, published: { refit: false } };

const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper: "Ma, Fang, Wang: LLM-Pruner: On the Structural Pruning of Large Language Models, 2023",
  options: optionsSchema,
  rate: "rate",
  needs: () => ["text"],
  samples: [
    { rate: 0, calibration },
    { rate: 0.5, calibration },
    { rate: 0.5, as: "published", calibration },
    { rate: 0.4, scope: "global", importance: "mixed", aggregation: "max", calibration },
    { rate: 0.3, parts: ["heads"], layers: [1, 1], aggregation: "last", calibration },
  ],

  plan: (before, options) => planStructured(before, findUnitGroups(title, before, options), options),

  async apply(before, options, lab) {
    const groups = findUnitGroups(title, before.shape, options);
    if (options.rate === 0) return before;
    const cut = groups.flatMap(({ producers, consumer }) => [...producers, consumer]);
    const gradients = await lab.gradients(before, new Set(cut.map(getTensorName)), options.calibration);
    const scores = groups.map((group) => computeScores(group, before.tensors, gradients, options));
    const keptUnits = selectUnits(groups, scores, options);
    const { refit } = fillForm(options, forms);
    const fitted = refit ? await refitConsumers(before, groups, keptUnits, options, lab) : before;
    return keepUnits(fitted, groups, keptUnits);
  },
});

function computeScores(
  { units, producers, consumer }: UnitGroup,
  tensors: Parameters<typeof readFloats>[0],
  gradients: Gradients,
  options: Options,
): Float64Array {
  const targetSums = [
    ...producers.map((target) =>
      sumByUnit(computeImportance(target, tensors, gradients, options), target.matrix, "outputs", units),
    ),
    sumByUnit(computeImportance(consumer, tensors, gradients, options), consumer.matrix, "inputs", units),
  ];
  return Float64Array.from({ length: units }, (_, unit) => {
    const each = targetSums.map((sums) => sums[unit]!);
    if (options.aggregation === "last") return each.at(-1)!;
    if (options.aggregation === "max") return Math.max(...each);
    return each.reduce((all, value) => (options.aggregation === "sum" ? all + value : all * value));
  });
}

/** Importance of the weights of a matrix, [inputs, outputs], which may be a part of a packed one. */
function computeImportance(
  target: Target,
  tensors: Parameters<typeof readFloats>[0],
  gradients: Gradients,
  { importance }: Options,
): Float64Array {
  const name = getTensorName(target);
  const { mean, meanSquare } = gradients.moments.get(name)!;
  const [w, g, squares] = [readFloats(tensors, name), mean, meanSquare].map((data) =>
    extractPart(data, target),
  );
  return Float64Array.from(w!, (each, i) => {
    const first = each * g![i]!;
    return Math.abs(importance === "first" ? first : first - 0.5 * each ** 2 * squares![i]!);
  });
}

function sumByUnit(
  importance: Float64Array,
  { inputs, outputs }: MatrixSpec,
  along: "inputs" | "outputs",
  units: number,
): Float64Array {
  const sums = new Float64Array(units);
  for (let input = 0; input < inputs; input++)
    for (let output = 0; output < outputs; output++) {
      const unit = along === "inputs" ? (input * units) / inputs : (output * units) / outputs;
      sums[Math.floor(unit)]! += importance[input * outputs + output]!;
    }
  return sums;
}
