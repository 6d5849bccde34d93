/**
 * Weight clustering (Han et al., Deep Compression, 2016): replaces every weight by one of k values. Published are the values of
 * Lloyd's k-means; the improved form finds the optimal ones, with errors weighted by the effect of each weight, as SqueezeLLM
 * (Kim et al., 2023) does with squared gradients.
 */
import * as z from "zod";
import { centroidsName, clustersName, firstCode } from "../representations/clustered";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { calibrationSchema } from "../compression/calibration/batches";
import { squaresTap } from "../compression/calibration/observe";
import { chooseRepresentations, refuseEmbeddings, selectDenseTargets } from "../compression/denseTargets";
import { type Filled, fillForm, formOption } from "../compression/form";
import { compressLayerwise, layerwiseSchema } from "../compression/layerwise";
import { defineMethod, type Lab, planBetween } from "../compression/method";
import {
  clusterByLloyd,
  clusterExactly,
  findNearest,
  sortValues,
  spaceEvenly,
} from "../compression/quantization/kMeans";
import { readWeights } from "../compression/quantization/quantization";
import { extractPart, getTensorName } from "../compression/unpackTargets";
import { createTargetOptions, type Target } from "../compression/targets";
import type { ModelShape } from "../models/model";

const title = "Weight clustering";

const optionsSchema = z.strictObject({
  clusters: z.int().min(1).max(256).default(16).describe("Number of distinct values per matrix."),
  algorithm: z
    .enum(["exact", "lloyd"])
    .optional()
    .describe(
      "`exact` finds the values with the least squared error by dynamic programming; a matrix of more than 2²² / clusters weights is first grouped into that many runs of similar weights, and the result is improved by Lloyd's algorithm. `lloyd` iterates from evenly spaced values. Default: `exact`; `lloyd` as published.",
    ),
  sensitivity: z
    .enum(["none", "output", "gradient"])
    .optional()
    .describe(
      "Weight of the squared error of each weight: 1 (`none`), the mean square of its input on real text (`output`), or of the gradient of the loss (`gradient`, as in SqueezeLLM). Default: `gradient`; `none` as published.",
    ),
  iterations: z
    .int()
    .min(1)
    .default(50)
    .describe("Maximum number of iterations of `lloyd`. It stops earlier when it converges."),
  ...createTargetOptions("all projections"),
  ...formOption,
  calibration: calibrationSchema,
});
type Options = z.output<typeof optionsSchema>;

const forms = {
  improved: { algorithm: "exact", sensitivity: "gradient" },
  published: { algorithm: "lloyd", sensitivity: "none" },
} as const;
type FilledOptions = Filled<Options, keyof typeof forms.improved>;

const calibration = { samples: 4, batch_size: 2 };

function selectTargets(shape: ModelShape, options: FilledOptions): Target[] {
  const targets = selectDenseTargets(title, shape, options);
  if (options.sensitivity === "output") refuseEmbeddings(title, targets, "set sensitivity: none");
  return targets;
}

export default defineMethod<Options>({
  title,
  paper: "Han, Mao, Dally: Deep Compression, 2016",
  options: optionsSchema,
  rate: "clusters",
  levels: [256, 64, 16, 4, 1],
  needs: (options) => (fillForm(options, forms).sensitivity === "none" ? [] : ["text"]),
  samples: [
    { calibration },
    { clusters: 3, sensitivity: "output", targets: "layers.*.mlp.*", calibration },
    { clusters: 256, as: "published", targets: "embed_tokens" },
    { clusters: 5, sensitivity: "none" },
  ],

  plan: (before, given) => {
    const options = fillForm(given, forms);
    const after = chooseRepresentations(before, selectTargets(before, options), () => ({
      type: "clustered",
      options: { clusters: options.clusters },
    }));
    return planBetween(before, after, "roles");
  },

  async apply(before, given, lab) {
    const options = fillForm(given, forms);
    const { clusters: count } = options;
    const targets = selectTargets(before.shape, options);
    const readSensitivity = await observeSensitivity(before, targets, options, lab);
    return compressLayerwise(
      before,
      targets,
      options.sensitivity === "output" ? squaresTap : undefined,
      layerwiseSchema.parse(options.calibration),
      lab,
      (target, tensors, { squares }) => {
        const { matrix } = target;
        const { dense } = readWeights(tensors, target);
        const weights =
          squares === undefined
            ? readSensitivity(target)
            : Float64Array.from(dense, (_, i) => squares[Math.floor(i / matrix.outputs)]!);
        const sorted = sortValues(dense, weights);
        const found =
          options.algorithm === "exact"
            ? clusterExactly(sorted, count)
            : clusterByLloyd(sorted, spaceEvenly(sorted, count), options.iterations);
        // Fewer weights than clusters leave some unused.
        const centroids = Float64Array.from({ length: count }, (_, i) => found[i] ?? found.at(-1)!);
        const codes = Int8Array.from(dense, (value) => findNearest(centroids, value) + firstCode);
        return {
          type: "clustered",
          options: { clusters: count },
          tensors: [
            [clustersName(matrix), { shape: [matrix.inputs, matrix.outputs], data: codes }],
            [centroidsName(matrix), { shape: [count], data: Float32Array.from(centroids) }],
          ],
        };
      },
    );
  },
});

/** Returns E[g²] of a target's weights, [inputs, outputs], if the options ask for it. */
async function observeSensitivity(
  before: Checkpoint,
  targets: readonly Target[],
  { sensitivity, calibration: batches }: FilledOptions,
  lab: Lab,
): Promise<(target: Target) => Float64Array | undefined> {
  if (sensitivity !== "gradient") return () => undefined;
  const { moments } = await lab.gradients(before, new Set(targets.map(getTensorName)), batches);
  return (target) => Float64Array.from(extractPart(moments.get(getTensorName(target))!.meanSquare, target));
}
