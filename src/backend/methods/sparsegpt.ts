/**
 * SparseGPT (Frantar and Alistarh, ICML 2023): prunes weights one input at a time, the least important by H = XᵀX first, and
 * compensates for the error with the remaining inputs.
 */
import * as z from "zod";
import { fromInOut, toInOut, weightName } from "../representations/dense";
import { fillForm, formOption } from "../compression/form";
import { layerwiseSchema } from "../compression/layerwise";
import { transpose } from "../compression/algebra/linearAlgebra";
import {
  type Curvature,
  describeCurvature,
  computeCurvature,
  curvatureTap,
  dampingOption,
  decideAll,
} from "../compression/algebra/secondOrder";
import { definePruningByText } from "../compression/pruning/byText";
import { checkProfile, profileOptions } from "../compression/pruning/outlierShares";
import { checkPattern, createPruningOptions, maskWeights, readMask } from "../compression/pruning/pruning";
import { refitKept, refitOption } from "../compression/pruning/refit";
import { findLowest, refuseNaN } from "../compression/pruning/smallest";
import { readFloats } from "../compression/unpackTargets";

const optionsSchema = z
  .strictObject({
    ...formOption,
    ...createPruningOptions(["layer"]),
    ...profileOptions,
    damping: dampingOption,
    block_size: z
      .int()
      .min(1)
      .default(128)
      .describe("Number of inputs among which weights are chosen at a time."),
    refit: refitOption,
    calibration: layerwiseSchema,
  })
  .superRefine(checkPattern)
  .superRefine(checkProfile);
type Options = z.output<typeof optionsSchema>;

const forms = { improved: { refit: 10 }, published: { refit: 0 } } as const;

const calibration = { samples: 4, batch_size: 2 };

export default definePruningByText<Options>({
  title: "SparseGPT",
  paper: "Frantar, Alistarh: SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot, 2023",
  options: optionsSchema,
  samples: [
    { sparsity: 0.5, calibration },
    { mask_structure: "2:4", targets: "layers.*.mlp.*", calibration },
    { sparsity: 0.3, block_size: 8, calibration: { ...calibration, inputs: "original" } },
    { sparsity: 0.6, sparsity_profile: "owl", owl_lmbda: 0.2, calibration },
  ],

  scope: "layer",
  tap: () => curvatureTap,

  async prune(target, tensors, { gram, tokens }, { within, dropped, settings, lab }) {
    const { matrix } = target;
    const { inputs, outputs, role } = matrix;
    const stored = readFloats(tensors, weightName(matrix));
    const weights = transpose(toInOut(stored, matrix), inputs, outputs); // [outputs, inputs]
    const mask = readMask(tensors, target);
    refuseNaN(role, stored, mask);
    // In the order of the weights; 1 for kept weights.
    const isKept = new Uint8Array(weights.length).fill(1);
    if (mask !== undefined) isKept.set(transpose(toInOut(Float32Array.from(mask), matrix), inputs, outputs));
    const curvature = await computeCurvature(lab.algebra, gram!, inputs, settings.damping);
    for (const notice of describeCurvature(curvature, role, settings.damping, tokens?.[0])) lab.log(notice);
    const pattern = typeof within === "object" ? within : undefined;
    const chooser = createSchedule(dropped, inputs);
    await decideAll(
      lab.algebra,
      weights,
      outputs,
      curvature,
      {
        beforeBlock: (from, to, current) => {
          if (pattern === undefined) pruneLeastSalient(isKept, current, curvature, from, to, chooser(to));
        },
        decide: (output, input, value, current) => {
          if (pattern !== undefined && input % pattern.of === 0)
            pruneGroup(isKept, current, curvature, { output, input, ...pattern });
          return isKept[output * inputs + input] === 1 ? value : 0;
        },
      },
      // An n:m group is decided at its first input, so a block must not split a group.
      pattern === undefined ? settings.block_size : Math.ceil(settings.block_size / pattern.of) * pattern.of,
    );
    const dense = Float32Array.from(transpose(weights, outputs, inputs));
    const storedMask = Uint8Array.from(
      fromInOut(Float32Array.from(transpose(isKept, outputs, inputs)), matrix),
    );
    const kept = await refitKept(
      lab.algebra,
      matrix,
      stored,
      fromInOut(dense, matrix),
      storedMask,
      gram!,
      fillForm(settings, forms).refit,
    );
    return maskWeights(target, kept, storedMask);
  },
});

/** Returns the number of weights to prune up to the block that ends at an input. After the last block it is the exact share. */
function createSchedule(total: number, inputs: number): (to: number) => number {
  return (to) => (to === inputs ? total : Math.min(total, Math.round((to / inputs) * total)));
}

/** Prunes the least salient weights of the block, over all outputs, until `pruneCount` weights are pruned up to its end. */
function pruneLeastSalient(
  mask: Uint8Array,
  weights: Float64Array,
  { inputs, upper }: Curvature,
  from: number,
  to: number,
  pruneCount: number,
): void {
  const outputs = weights.length / inputs;
  const places = new Uint32Array(outputs * (to - from));
  const saliences = new Float64Array(places.length);
  let [gone, length] = [0, 0];
  for (let output = 0; output < outputs; output++) {
    const row = output * inputs;
    for (let input = 0; input < from; input++) if (mask[row + input] === 0) gone++;
    for (let input = from; input < to; input++)
      if (mask[row + input] === 0) gone++;
      else {
        saliences[length] = (weights[row + input]! / upper[input * inputs + input]!) ** 2;
        places[length++] = row + input;
      }
  }
  const candidates = places.subarray(0, length);
  for (const place of findLowest(candidates, saliences.subarray(0, length), pruneCount - gone))
    mask[place] = 0;
}

interface Group {
  readonly output: number;
  readonly input: number;
  readonly kept: number;
  readonly of: number;
}

function pruneGroup(
  mask: Uint8Array,
  weights: Float64Array,
  { inputs, upper }: Curvature,
  { output, input, kept, of }: Group,
): void {
  const first = output * inputs + input;
  const candidates = Uint32Array.from({ length: of }, (_, i) => first + i).filter((at) => mask[at] === 1);
  const saliences = Float64Array.from(candidates, (at) => {
    const column = at - output * inputs;
    return (weights[at]! / upper[column * inputs + column]!) ** 2;
  });
  const gone = of - candidates.length;
  for (const place of findLowest(candidates, saliences, of - kept - gone)) mask[place] = 0;
}
