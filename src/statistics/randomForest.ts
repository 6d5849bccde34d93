/**
 * A regression forest (Breiman 2001, Random Forests): trees grown to the end on bootstrap samples, every feature at
 * every split, as scikit-learn's `RandomForestRegressor` does by default. Each row is predicted by the trees that did
 * not see it, out of bag; a feature is as important as R² of these predictions falls when its values are permuted.
 */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { computeQuantile } from "./resampling";

/** A missing value is a category of its own; among numbers it comes before all others. */
export type FeatureValue = number | string | undefined;

export interface ForestOptions {
  readonly trees: number;
  /** Permutations of each feature. */
  readonly repeats: number;
  readonly seed: number;
}

export interface ForestResult {
  /** R² of the predictions out of bag; negative if they are worse than the mean. */
  readonly r2: number;
  /** For each feature, how much R² falls when it is permuted: the mean over the permutations. */
  readonly importances: readonly number[];
}

/** More different numbers than that are put into as many bins with equally many rows. */
const maxLevels = 64;

/** A feature as small integers: the order of numbers, or the index of a category. */
interface EncodedFeature {
  readonly levels: Uint16Array;
  readonly levelCount: number;
  readonly isCategorical: boolean;
}

/** Grows the forest one tree at each step, so that a page can do something else in between; the last step has the result. */
export function* growForest(
  features: readonly (readonly FeatureValue[])[],
  target: readonly number[],
  { trees, repeats, seed }: ForestOptions,
): Generator<undefined, ForestResult, undefined> {
  const random = xoroshiro128plus(seed);
  const rows = target.length;
  const encoded = features.map(encodeFeature);
  const permutations = encoded.map(() =>
    Array.from({ length: repeats }, () => shuffle(rows, (most) => uniformInt(random, 0, most))),
  );
  const votes = new Uint32Array(rows);
  const sums = new Float64Array(rows);
  const permutedSums = permutations.map((each) => each.map(() => new Float64Array(rows)));
  for (let tree = 0; tree < trees; tree++) {
    const sample = Uint32Array.from({ length: rows }, () => uniformInt(random, 0, rows - 1));
    const isSeen = new Uint8Array(rows);
    for (const row of sample) isSeen[row] = 1;
    const root = growTree(encoded, target, sample);
    for (let row = 0; row < rows; row++) {
      if (isSeen[row] === 1) continue;
      votes[row]!++;
      sums[row]! += predict(root, encoded, row);
      permutations.forEach((each, feature) =>
        each.forEach((order, repeat) => {
          permutedSums[feature]![repeat]![row]! += predict(root, encoded, row, feature, order[row]);
        }),
      );
    }
    yield;
  }
  const r2 = computeR2(target, sums, votes);
  const importances = permutedSums.map(
    (each) => each.reduce((sum, permuted) => sum + r2 - computeR2(target, permuted, votes), 0) / repeats,
  );
  return { r2, importances };
}

interface Leaf {
  readonly value: number;
}
interface Branch {
  readonly feature: number;
  readonly level: number;
  /** Rows at the level or below it, or of a category the rows of exactly that one. */
  readonly left: Node;
  readonly right: Node;
}
type Node = Leaf | Branch;

function growTree(features: readonly EncodedFeature[], target: readonly number[], sample: Uint32Array): Node {
  const split = findBestSplit(features, target, sample);
  if (split === undefined) {
    let sum = 0;
    for (const row of sample) sum += target[row]!;
    return { value: sum / sample.length };
  }
  const { levels, isCategorical } = features[split.feature]!;
  const isLeft = (row: number) => (isCategorical ? levels[row] === split.level : levels[row]! <= split.level);
  return {
    ...split,
    left: growTree(features, target, sample.filter(isLeft)),
    right: growTree(
      features,
      target,
      sample.filter((row) => !isLeft(row)),
    ),
  };
}

/** The split that leaves the smallest squared error; undefined if none makes it smaller. */
function findBestSplit(
  features: readonly EncodedFeature[],
  target: readonly number[],
  sample: Uint32Array,
): Pick<Branch, "feature" | "level"> | undefined {
  const count = sample.length;
  let total = 0;
  for (const row of sample) total += target[row]!;
  const mean = total / count;
  let squares = 0;
  for (const row of sample) squares += (target[row]! - mean) ** 2;
  let best: Pick<Branch, "feature" | "level"> | undefined;
  // Less is an error of rounding.
  let bestGain = 1e-12 * squares + 1e-24 * count * mean ** 2;
  for (const [feature, { levels, levelCount, isCategorical }] of features.entries()) {
    const [counts, sums] = [new Uint32Array(levelCount), new Float64Array(levelCount)];
    for (const row of sample) {
      const level = levels[row]!;
      counts[level]!++;
      sums[level]! += target[row]! - mean;
    }
    // With the mean as zero, both sides have opposite sums, and what the error falls by is sum² (1/n₁ + 1/n₂).
    let [leftCount, leftSum] = [0, 0];
    for (let level = 0; level < levelCount; level++) {
      if (counts[level] === 0) continue;
      if (isCategorical) [leftCount, leftSum] = [counts[level]!, sums[level]!];
      else [leftCount, leftSum] = [leftCount + counts[level]!, leftSum + sums[level]!];
      if (leftCount === count) continue;
      const gain = leftSum ** 2 * (1 / leftCount + 1 / (count - leftCount));
      if (gain > bestGain) [best, bestGain] = [{ feature, level }, gain];
    }
  }
  return best;
}

/** `feature` takes its value from another row, where that is given. */
function predict(
  root: Node,
  features: readonly EncodedFeature[],
  row: number,
  feature = -1,
  otherRow = row,
): number {
  let node = root;
  while ("left" in node) {
    const { levels, isCategorical } = features[node.feature]!;
    const level = levels[node.feature === feature ? otherRow : row]!;
    node = (isCategorical ? level === node.level : level <= node.level) ? node.left : node.right;
  }
  return node.value;
}

function encodeFeature(values: readonly FeatureValue[]): EncodedFeature {
  const isCategorical = values.some((value) => typeof value === "string");
  const distinct = [...new Set(values)];
  if (isCategorical) {
    const places = new Map(distinct.map((value, i) => [value, i]));
    return {
      levels: Uint16Array.from(values, (value) => places.get(value)!),
      levelCount: distinct.length,
      isCategorical,
    };
  }
  const numbers = (values as readonly (number | undefined)[]).map((value) => value ?? -Infinity);
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const finite = numbers.filter(Number.isFinite);
  const edges =
    sorted.length <= maxLevels
      ? sorted
      : [
          -Infinity,
          ...Array.from({ length: maxLevels }, (_, i) => computeQuantile(finite, (i + 1) / maxLevels)),
        ];
  return {
    levels: Uint16Array.from(numbers, (value) => edges.findIndex((edge) => value <= edge)),
    levelCount: edges.length,
    isCategorical,
  };
}

function shuffle(count: number, draw: (most: number) => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = draw(i);
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return order;
}

/** Over the rows that at least one tree has not seen. */
function computeR2(target: readonly number[], sums: Float64Array, votes: Uint32Array): number {
  const rows = target.flatMap((_, row) => (votes[row]! > 0 ? [row] : []));
  const mean = rows.reduce((sum, row) => sum + target[row]!, 0) / rows.length;
  let [residual, total] = [0, 0];
  for (const row of rows) {
    residual += (target[row]! - sums[row]! / votes[row]!) ** 2;
    total += (target[row]! - mean) ** 2;
  }
  return total > 0 ? 1 - residual / total : 0;
}
