/**
 * Scales of inputs by real activations, so that rounding costs less where inputs are large (AWQ, Lin et al. 2024, equations 4
 * and 5): each weight is multiplied by the scale of its input, and the norm or the matrix that computes the input divides by
 * it. The function of the model does not change, and nothing more is stored.
 */
import { WorkbenchError } from "../../../protocol/errors";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import type { HostTensor } from "../../checkpoints/safetensors";
import { abs } from "../../graph/ops/elementwise";
import { sum } from "../../graph/ops/reduction";
import type { ModelShape } from "../../models/model";
import type { ResolvedSource } from "../../models/inputSources";
import { gramTap, type Tap } from "../calibration/observe";
import { getObservedRole } from "../denseTargets";
import { foldFactors, listFoldableSources, shareCopies } from "../folding";
import { groupBy } from "../groupBy";
import type { Statistics } from "../layerwise";
import type { Lab } from "../method";
import type { Calibration } from "../calibration/batches";
import type { Target } from "../targets";
import type { QuantizedOptions } from "../../representations/quantised";
import type { GridOptions, Observer } from "./grid";
import { readWeights, roundToNearest } from "./quantization";

/** Matrices that read the same inputs, which can be scaled where they are computed. */
export interface ScalableGroup {
  readonly source: ResolvedSource;
  /** The targets among the readers of the source; the others are scaled, too. */
  readonly targets: readonly Target[];
}

/** Lists the groups of targets with scalable inputs, in forward order. */
export function listScalableGroups(shape: ModelShape, targets: readonly Target[]): ScalableGroup[] {
  return listFoldableSources(shape).flatMap((source): ScalableGroup[] => {
    const roles = new Set(
      source.readers.flatMap(({ matrix, stored }) => [
        matrix.role,
        ...stored.map((each) => each.matrix.role),
      ]),
    );
    const own = targets.filter((target) => roles.has(getObservedRole(target)));
    return own.length === 0 ? [] : [{ source, targets: own }];
  });
}

const scaleTap: Tap = (x, counted, rows) => ({
  ...gramTap(x, counted, rows),
  magnitudes: sum(abs(x), { axes: [0], keepDims: false }),
});

export interface ScaleSearch extends Omit<GridOptions, "bits">, QuantizedOptions {
  /** Number of exponents α, from 0 to 1 − 1/n, that are tried. */
  readonly n_grid: number;
  readonly calibration: Calibration;
}

/** Returns the tensors of the same function with scaled inputs, which round with the least error in the products. */
export async function scaleInputs(
  { shape, tensors: original }: Pick<Checkpoint, "shape" | "tensors">,
  groups: readonly ScalableGroup[],
  options: ScaleSearch,
  lab: Lab,
): Promise<Map<string, HostTensor>> {
  const tensors = new Map(original);
  const model = { shape, tensors: original };
  const reader = await lab.readLayers(model, false, options.calibration);
  let done = 0;
  const layers = groupBy(groups, ({ targets: [target] }) => target!.matrix.layer ?? target!.matrix.role);
  for (const layer of layers.values()) {
    const roles = layer.map(({ targets }) => getObservedRole(targets[0]!));
    const taps = new Map(roles.map((role) => [role, scaleTap]));
    await reader.moveTo(layer[0]!.targets[0]!.matrix.layer, model);
    const observed = await reader.observe(model, taps);
    for (const [i, group] of layer.entries()) {
      if (lab.signal.aborted) throw new WorkbenchError("cancelled", "The method was stopped.");
      const factors = await findFactors(group, tensors, observed.get(roles[i]!)!, options, lab);
      if (factors !== undefined) foldFactors(tensors, group.source, factors);
      lab.progress(++done, groups.length, "inputs scaled");
    }
  }
  return tensors;
}

/**
 * Tries the scales (mean |x|)^α, divided by the root of the product of the largest and the smallest. The cost is the sum of
 * ‖X·(W − Ŵ)‖² over the targets, of all scales with the extremes of the weights as ranges and of the best ones with the
 * ranges that will be used. Returns undefined if no scales are best.
 */
async function findFactors(
  { source, targets }: ScalableGroup,
  tensors: ReadonlyMap<string, HostTensor>,
  { gram, magnitudes }: Statistics,
  options: ScaleSearch,
  lab: Lab,
): Promise<Float64Array | undefined> {
  const inputs = magnitudes!.length;
  const h = Float32Array.from(gram!);
  const weights = targets.map((target) => readWeights(tensors, target));
  /** tr(Δᵀ·H·Δ) for Δ [inputs, outputs]. */
  const measure = async (difference: Float32Array): Promise<number> => {
    const outputs = difference.length / inputs;
    const products = await lab.algebra.multiply(h, difference, [inputs, inputs, outputs]);
    return products.reduce((total, each, i) => total + each * difference[i]!, 0);
  };
  const measureCost = async (factors: Float64Array, observer: Observer): Promise<number> => {
    let cost = 0;
    for (const [i, { matrix }] of targets.entries()) {
      const { dense, mask } = weights[i]!;
      const { outputs } = matrix;
      const scaled = dense.map((each, at) => each * factors[Math.floor(at / outputs)]!);
      const importance = (input: number) => gram![input * inputs + input]! / factors[input]! ** 2;
      const grid = { ...options, observer };
      const rounded = roundToNearest(matrix, { dense: scaled, mask }, grid, importance).materialize();
      cost += await measure(
        rounded.map((each, at) => each / factors[Math.floor(at / outputs)]! - dense[at]!),
      );
    }
    return cost;
  };
  const rank = async (candidates: readonly Float64Array[], observer: Observer) => {
    const costs: [factors: Float64Array, cost: number][] = [];
    for (const factors of candidates) costs.push([factors, await measureCost(factors, observer)]);
    return costs.sort(([, a], [, b]) => a - b).map(([factors]) => factors);
  };
  const unscaled = computeFactors(source, magnitudes!, 0);
  const scales = Array.from({ length: options.n_grid - 1 }, (_, i) =>
    computeFactors(source, magnitudes!, (i + 1) / options.n_grid),
  );
  let ranked = await rank([unscaled, ...scales], "minmax");
  // A search of ranges takes many times as long as the extremes: only the best scales are compared by it.
  if (options.observer !== "minmax") {
    const finalists = ranked.slice(0, maxFinalists);
    ranked = await rank([...new Set([unscaled, ...finalists])], options.observer);
  }
  return ranked[0] === unscaled ? undefined : ranked[0];
}

/** How many scales are compared with the ranges of the grids searched. */
const maxFinalists = 4;

/** Smallest scale, as in AWQ's code, for inputs that are almost always zero. */
const smallestFactor = 1e-4;

function computeFactors(source: ResolvedSource, magnitudes: Float64Array, exponent: number): Float64Array {
  const largest = magnitudes.reduce((most, each) => Math.max(most, each), 0) || 1;
  const powers = magnitudes.map((each) => Math.max((each / largest) ** exponent, smallestFactor));
  const middle = Math.sqrt(Math.max(...powers) * Math.min(...powers));
  return shareCopies(
    source,
    powers.map((each) => each / middle),
  );
}
