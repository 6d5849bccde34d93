/**
 * Distributes a sparsity over layers by their outliers (OWL, Yin et al., ICML 2024): a layer in which more scores
 * |W|·‖X‖₂ are far above their mean keeps more weights. The number of pruned weights of the model is that of the same
 * sparsity everywhere.
 */
import * as z from "zod";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import type { ModelShape } from "../../models/model";
import { weightName } from "../../representations/dense";
import type { Calibration } from "../calibration/batches";
import { squaresTap } from "../calibration/observe";
import { getObservedRole, refuseEmbeddings } from "../denseTargets";
import { groupBy } from "../groupBy";
import { type Lab, type Plan, planBetween } from "../method";
import { countKept, createMaskedShape, type Pruning, planPruning, readMask } from "./pruning";
import { createInputLookup } from "./maskCount";
import { countDropped } from "./smallest";
import type { Target } from "../targets";
import { readFloats, unpackTargets } from "../unpackTargets";

/** The options of methods that can share out their sparsity, with the names of llm-compressor. */
export const profileOptions = {
  sparsity_profile: z
    .enum(["uniform", "owl"])
    .default("uniform")
    .describe(
      "The same sparsity in every layer, or less in layers with more outliers on real text; the number of pruned weights is the same.",
    ),
  owl_m: z
    .number()
    .gt(0)
    .default(5)
    .describe("With `owl`, an outlier is a score above this many times the mean of its layer."),
  owl_lmbda: z
    .number()
    .min(0)
    .max(0.5)
    .default(0.08)
    .describe("With `owl`, how far the sparsity of a layer can be from the mean, half of its range."),
};

export interface ProfileOptions {
  readonly sparsity_profile: "uniform" | "owl";
  readonly owl_m: number;
  readonly owl_lmbda: number;
}

/** Throws if the sparsity of a layer is not free. */
export function checkProfile(
  {
    sparsity_profile,
    mask_structure,
    scope,
  }: ProfileOptions & { readonly mask_structure: string; readonly scope?: string | undefined },
  context: { addIssue(issue: { code: "custom"; path: string[]; message: string; input: unknown }): void },
): void {
  const reason =
    mask_structure !== "unstructured"
      ? `${mask_structure} has the same sparsity everywhere`
      : scope === "global"
        ? "scope: global compares weights over all layers already"
        : undefined;
  if (sparsity_profile === "uniform" || reason === undefined) return;
  const message = `${reason}; leave sparsity_profile out`;
  context.addIssue({ code: "custom", path: ["sparsity_profile"], message, input: sparsity_profile });
}

/** The plan of a pruning with this profile. Of matrices that were pruned before, only a bound is known. */
export function planProfile(
  title: string,
  before: ModelShape,
  pruning: Pruning,
  { sparsity_profile, owl_lmbda }: ProfileOptions,
): Plan {
  const { targets, within, sparsity } = pruning;
  if (sparsity_profile === "uniform") return planPruning(before, pruning);
  refuseEmbeddings(title, targets);
  const isPrunedBefore = targets.some(({ type }) => type === "masked");
  const least = isPrunedBefore ? Math.max(0, sparsity - 2 * owl_lmbda) : sparsity;
  const keptCounts = targets.map((target) => {
    const { matrix } = target;
    const dropped = isPrunedBefore
      ? Math.floor(matrix.inputs * matrix.outputs * least)
      : countDropped(matrix, within, sparsity);
    return Math.min(countKept(target), matrix.inputs * matrix.outputs - dropped);
  });
  return planBetween(
    before,
    createMaskedShape(before, targets, keptCounts),
    isPrunedBefore ? "most" : "total",
  );
}

/** Returns the number of weights to prune of each target, in the order of the targets. */
export async function distributeSparsity(
  before: Checkpoint,
  { targets, within, sparsity }: Pruning,
  { sparsity_profile, owl_m, owl_lmbda }: ProfileOptions,
  calibration: Calibration,
  lab: Lab,
): Promise<readonly number[]> {
  const uniform = targets.map(({ matrix }) => countDropped(matrix, within, sparsity));
  if (sparsity_profile === "uniform" || sparsity === 0) return uniform;
  const roles = new Set(targets.map(getObservedRole));
  const observed = await lab.observe(
    before,
    new Map([...roles].map((role) => [role, squaresTap])),
    calibration,
  );
  const tensors = unpackTargets(before, targets);
  const layers = groupLayers(targets);
  const outliers = layers.map(({ members }) =>
    measureOutliers(
      members.map((i) => {
        const target = targets[i]!;
        const { squares } = observed.get(getObservedRole(target))!;
        const mask = readMask(tensors, target);
        const weights = readFloats(tensors, weightName(target.matrix));
        const inputOf = createInputLookup(target.matrix);
        return weights.map((each, at) =>
          mask?.[at] === 0 ? 0 : Math.abs(each) * Math.sqrt(squares![inputOf(at)]!),
        );
      }),
      owl_m,
    ),
  );
  const sizes = layers.map(({ members }) => sum(members.map((i) => sizeOf(targets[i]!))));
  const sparsities = shareByOutliers(outliers, sizes, sum(uniform) / sum(sizes), owl_lmbda);
  layers.forEach(({ name }, i) =>
    lab.log(
      `OWL: ${name} has ${outliers[i]!.toFixed(3)} % outliers and a sparsity of ${sparsities[i]!.toFixed(4)}.`,
    ),
  );
  const wanted = new Float64Array(targets.length);
  layers.forEach(({ members }, layer) => {
    for (const i of members) wanted[i] = sparsities[layer]! * sizeOf(targets[i]!);
  });
  return roundToTotal(wanted, targets.map(sizeOf), sum(uniform));
}

const sizeOf = ({ matrix }: Target): number => matrix.inputs * matrix.outputs;
const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);

/** The targets of each layer by index; a matrix outside the layers is on its own. */
function groupLayers(targets: readonly Target[]): { readonly name: string; readonly members: number[] }[] {
  const groups = groupBy([...targets.keys()], (i) => {
    const { layer, role } = targets[i]!.matrix;
    return layer === undefined ? role : `layer ${layer}`;
  });
  return [...groups].map(([name, members]) => ({ name, members }));
}

/** Returns the percentage of the scores of a layer that are above `limit` times their mean. */
export function measureOutliers(scores: readonly ArrayLike<number>[], limit: number): number {
  let [total, count, above] = [0, 0, 0];
  for (const matrix of scores) {
    count += matrix.length;
    for (let i = 0; i < matrix.length; i++) total += matrix[i]!;
  }
  for (const matrix of scores)
    for (let i = 0; i < matrix.length; i++) if (matrix[i]! > (limit * total) / count) above++;
  return (100 * above) / count;
}

/**
 * Returns the sparsity of each layer: the density is the share of outliers scaled to a range of 2λ around the mean density.
 * Means are weighted by the sizes of the layers. Sparsities outside 0 to 1 are cut, and the others take the difference.
 */
export function shareByOutliers(
  outliers: readonly number[],
  sizes: readonly number[],
  sparsity: number,
  lambda: number,
): number[] {
  const [least, most] = [Math.min(...outliers), Math.max(...outliers)];
  if (most === least) return outliers.map(() => sparsity);
  const scaled = outliers.map((each) => ((each - least) / (most - least)) * 2 * lambda);
  const all = sum(sizes);
  const mean = sum(scaled.map((each, i) => (each * sizes[i]!) / all));
  const cut = (each: number) => Math.min(1, Math.max(0, each));
  let sparsities = scaled.map((each) => cut(sparsity + mean - each));
  for (let round = 0; round < sizes.length; round++) {
    const missing = sparsity * all - sum(sparsities.map((each, i) => each * sizes[i]!));
    const isFree = sparsities.map((each) => (missing > 0 ? each < 1 : each > 0));
    const room = sum(sizes.filter((_, i) => isFree[i]));
    if (Math.abs(missing) < 1e-9 * all || room === 0) break;
    sparsities = sparsities.map((each, i) => (isFree[i] ? cut(each + missing / room) : each));
  }
  return sparsities;
}

/** Rounds each count down, or up where the remainder is largest, so that the sum is the total. */
export function roundToTotal(counts: ArrayLike<number>, limits: readonly number[], total: number): number[] {
  const rounded = Array.from(counts, (each, i) => Math.min(limits[i]!, Math.floor(each)));
  const order = rounded.map((_, i) => i).sort((a, b) => (counts[b]! % 1) - (counts[a]! % 1) || a - b);
  for (let left = total - sum(rounded); left !== 0;) {
    const step = Math.sign(left);
    const before = left;
    for (const i of order) {
      const next = rounded[i]! + step;
      if (left === 0 || next < 0 || next > limits[i]!) continue;
      rounded[i] = next;
      left -= step;
    }
    if (left === before) break;
  }
  return rounded;
}
