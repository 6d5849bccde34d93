/**
 * SmoothQuant (Xiao et al. 2023): moves the difficulty of rounding from activations to weights. Each input of a matrix is
 * divided by s = max|x|^α / max|w|^(1 − α), in the weights of the norm that computes it, and the weights that read it are
 * multiplied by s (equations 3 and 4). The function stays the same; a method that rounds weights and activations follows.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { abs } from "../graph/ops/elementwise";
import { max } from "../graph/ops/reduction";
import type { ResolvedSource } from "../models/inputSources";
import type { ModelShape } from "../models/model";
import { calibrationSchema } from "../compression/calibration/batches";
import type { Tap } from "../compression/calibration/observe";
import {
  computeSmoothingFactors,
  foldFactors,
  listFoldableSources,
  shareCopies,
} from "../compression/folding";
import { defineMethod, planBetween } from "../compression/method";
import type { TensorData } from "../representations/representation";

const title = "SmoothQuant";

const optionsSchema = z.strictObject({
  smoothing_strength: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("How much of the range of activations moves to the weights (α): 0 for none of it, 1 for all."),
  inputs: z
    .enum(["norms", "all"])
    .default("norms")
    .describe(
      "Which inputs to smooth: those that norms compute, as published, or also those that another matrix computes, where a factor passes from it exactly.",
    ),
  calibration: calibrationSchema,
});
type Options = z.output<typeof optionsSchema>;

const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper:
    "Xiao, Lin, Seznec, Wu, Demouth, Han: SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models, 2023",
  options: optionsSchema,
  needs: () => ["text"],
  samples: [{ calibration }, { smoothing_strength: 0.8, inputs: "all", calibration }],

  plan(before, options) {
    listSources(before, options);
    return planBetween(before, before, "roles");
  },

  async apply({ shape, tensors }, options, lab) {
    const sources = listSources(shape, options);
    const roles = sources.map(({ readers }) => readers[0]!.matrix.role);
    const tap: Tap = (x) => ({ largest: max(abs(x), { axes: [0], keepDims: false }) });
    const taps = new Map(roles.map((role) => [role, tap]));
    const observed = await lab.observe({ shape, tensors }, taps, options.calibration);
    const folded = new Map<string, HostTensor>(tensors);
    sources.forEach((source, i) => {
      const peaks = observed.get(roles[i]!)!["largest"]!;
      const factors = computeSmoothingFactors(
        peaks,
        findWeightPeaks(source, tensors),
        options.smoothing_strength,
      );
      foldFactors(folded, source, shareCopies(source, factors));
    });
    lab.log(`Smoothed the inputs of ${sources.flatMap(({ readers }) => readers).length} matrices.`);
    return { shape, tensors: folded };
  },
});

/** The sources of the inputs of projections; throws if there are none. */
function listSources(shape: ModelShape, { inputs }: Options): ResolvedSource[] {
  const sources = listFoldableSources(shape).filter(
    ({ norm, readers }) =>
      (norm !== undefined || inputs === "all") && readers.every(({ matrix }) => matrix.kind === "projection"),
  );
  if (sources.length > 0) return sources;
  throw new WorkbenchError(
    "unsupported",
    `${title} cannot be applied: no ${inputs === "norms" ? "norm" : "norm or matrix"} of this ${shape.family} model computes the inputs of dense or masked projections alone, so that there is nothing to which factors could move.`,
  );
}

/** The largest magnitude of the weights that read each input. */
function findWeightPeaks({ readers }: ResolvedSource, tensors: Checkpoint["tensors"]): Float64Array {
  const peaks = new Float64Array(readers[0]!.matrix.inputs);
  const source = (name: string) => tensors.get(name)!.data as TensorData;
  for (const { matrix, representation, options } of readers.flatMap(({ stored }) => stored))
    representation.materialize(source, matrix, options).forEach((each, i) => {
      const input = Math.floor(i / matrix.outputs);
      peaks[input] = Math.max(peaks[input]!, Math.abs(each));
    });
  return peaks;
}
