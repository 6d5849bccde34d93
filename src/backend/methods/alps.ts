/**
 * ALPS (Meng et al., NeurIPS 2024): finds the mask and the weights of a matrix together, by the alternating direction method of
 * multipliers on ‖X·Ŵ − X·W‖², and then fits the kept weights by preconditioned conjugate gradients.
 */
import * as z from "zod";
import { fromInOut, toInOut, weightName } from "../representations/dense";
import type { MatrixSpec } from "../representations/representation";
import type { Algebra } from "../compression/algebra/products";
import { curvatureTap } from "../compression/algebra/secondOrder";
import { factorize } from "../compression/algebra/triangular";
import { dampGram, solveFactored, solveInsideMask } from "../compression/algebra/leastSquares";
import { formOption } from "../compression/form";
import { layerwiseSchema } from "../compression/layerwise";
import { definePruningByText } from "../compression/pruning/byText";
import { checkPattern, createPruningOptions, maskWeights, readMask } from "../compression/pruning/pruning";
import { maskSmallest } from "../compression/pruning/smallest";
import { readFloats } from "../compression/unpackTargets";

const optionsSchema = z
  .strictObject({
    ...formOption,
    ...createPruningOptions(["layer", "row"]),
    iterations: z
      .int()
      .min(1)
      .default(300)
      .describe("Most iterations for the mask. They end earlier once the mask stays the same."),
    refit: z
      .int()
      .min(0)
      .default(10)
      .describe("Steps of conjugate gradients for the kept weights, after the mask is found."),
    damping: z
      .number()
      .min(0)
      .default(0.01)
      .describe("Damping added to the diagonal of H, as a share of its mean."),
    calibration: layerwiseSchema,
  })
  .superRefine(checkPattern);
type Options = z.output<typeof optionsSchema>;

const calibration = { samples: 4, batch_size: 2 };

export default definePruningByText<Options>({
  title: "ALPS",
  paper:
    "Meng, Behdin, Wang, Mazumder: ALPS: Improved Optimization for Highly Sparse One-Shot Pruning for Large Language Models, 2024",
  options: optionsSchema,
  samples: [
    { sparsity: 0.5, calibration },
    { mask_structure: "2:4", targets: "layers.*.mlp.*", calibration },
    { sparsity: 0.3, scope: "row", calibration: { ...calibration, inputs: "original" } },
  ],

  scope: "layer",
  tap: () => curvatureTap,

  async prune(target, tensors, { gram }, { within, sparsity, settings, lab }) {
    const { matrix } = target;
    const stored = readFloats(tensors, weightName(matrix));
    const earlier = readMask(tensors, target);
    /** The mask of the weights to keep; both in the order of the stored tensor. */
    const choose = (weights: Float32Array) =>
      maskSmallest([{ matrix, scores: weights.map(Math.abs), mask: earlier }], within, sparsity)[0]!;
    const kept = stored.map((each, i) => (earlier?.[i] === 0 ? 0 : each));
    const { weights, mask } = await findSparseWeights(lab.algebra, matrix, kept, gram!, choose, settings);
    return maskWeights(target, weights, mask);
  },
});

/** The first penalty, and its growth with the share of kept weights that changed in `interval` iterations. */
const [firstPenalty, interval] = [0.1, 3];
const growth = [
  { share: 0.1, factor: 1.3 },
  { share: 0.005, factor: 1.2 },
  { share: 0, factor: 1.1 },
] as const;
/** Where the mask stays the same from the start, the penalty is too large: it is divided, and everything begins again. */
const [smallerPenalty, restarts] = [5, 5];

interface Found {
  readonly weights: Float32Array;
  readonly mask: Uint8Array;
}

/**
 * Algorithm 1 of the paper, on inputs that are scaled to a unit diagonal of H (its appendix B.1): W = (H + ρI)⁻¹(H·Ŵ − V + ρD), D = P(W + V/ρ),
 * V = V + ρ(W − D), where P keeps the largest weights. ρ grows every third iteration until D's mask stays the same. All tensors
 * are in the order of the stored tensor.
 */
async function findSparseWeights(
  algebra: Algebra,
  matrix: MatrixSpec,
  stored: Float32Array,
  gram: Float64Array,
  choose: (weights: Float32Array) => Uint8Array,
  { iterations, refit, damping }: Pick<Options, "iterations" | "refit" | "damping">,
): Promise<Found> {
  const { inputs, outputs } = matrix;
  const damped = dampGram(gram, inputs, damping);
  // An input that never occurs has no scale, and its weights no effect.
  const scales = Float64Array.from({ length: inputs }, (_, i) => Math.sqrt(damped[i * (inputs + 1)]!) || 1);
  const h = damped.map((each, i) => each / (scales[Math.floor(i / inputs)]! * scales[i % inputs]!));
  const scaled = Float64Array.from(
    toInOut(stored, matrix),
    (each, i) => each * scales[Math.floor(i / outputs)]!,
  );
  const right = await algebra.multiply(h, scaled, [inputs, inputs, outputs]);
  const chooseScaled = (weights: Float64Array) =>
    toInOut(choose(fromInOut(Float32Array.from(weights), matrix)), matrix);
  const { sparse, mask } = await alternate(
    algebra,
    h,
    right,
    scaled,
    chooseScaled,
    { inputs, outputs },
    iterations,
  );
  const solved = await solveInsideMask(algebra, h, right, mask, sparse, { inputs, outputs }, refit);
  const weights = Float32Array.from(solved, (each, i) => each / scales[Math.floor(i / outputs)]!);
  return {
    weights: fromInOut(weights, matrix),
    mask: Uint8Array.from(fromInOut(Float32Array.from(mask), matrix)),
  };
}

async function alternate(
  algebra: Algebra,
  h: Float64Array,
  right: Float64Array,
  start: Float64Array,
  choose: (weights: Float64Array) => Uint8Array,
  sizes: { readonly inputs: number; readonly outputs: number },
  iterations: number,
): Promise<{ readonly sparse: Float64Array; readonly mask: Uint8Array }> {
  const first = choose(start);
  const kept = first.reduce((all, each) => all + each, 0);
  let [penalty, left, grows] = [firstPenalty, restarts, false];
  let [mask, checked] = [first, first];
  let sparse = start.map((each, i) => each * first[i]!);
  let dual = new Float64Array(start.length);
  // With nothing to choose, the mask cannot change.
  if (kept === 0 || kept === start.length) return { sparse, mask };
  let factor = await factorizePenalized(algebra, h, sizes.inputs, penalty);
  for (let iteration = 1; iteration <= iterations && factor !== undefined; iteration++) {
    const goal = right.map((each, i) => each - dual[i]! + penalty * sparse[i]!);
    const weights = await solveFactored(algebra, factor, goal, sizes);
    const shifted = weights.map((each, i) => each + dual[i]! / penalty);
    mask = choose(shifted);
    sparse = shifted.map((each, i) => each * mask[i]!);
    for (let i = 0; i < dual.length; i++) dual[i]! += penalty * (weights[i]! - sparse[i]!);
    if (iteration % interval !== 0) continue;
    const changed = mask.reduce((all, each, i) => all + Math.abs(each - checked[i]!), 0);
    checked = mask;
    if (changed === 0 && (grows || left === 0)) break;
    if (changed === 0) {
      left--;
      penalty /= smallerPenalty;
      [mask, checked] = [first, first];
      sparse = start.map((each, i) => each * first[i]!);
      dual = new Float64Array(start.length);
    } else {
      grows = true;
      penalty *= growth.find(({ share }) => changed >= share * kept)!.factor;
    }
    factor = await factorizePenalized(algebra, h, sizes.inputs, penalty);
  }
  return { sparse, mask };
}

function factorizePenalized(algebra: Algebra, h: Float64Array, inputs: number, penalty: number) {
  const penalized = h.slice();
  for (let i = 0; i < inputs; i++) penalized[i * (inputs + 1)]! += penalty;
  return factorize(algebra, penalized, inputs);
}
