/** Weight clustering (Han et al., Deep Compression, 2016): every weight becomes one of k values, found by k-means (Lloyd). */
import * as z from "zod";
import { toInOut, weightName } from "../representations/dense";
import { centroidsName, clustersName, firstCode } from "../representations/clustered";
import { denseTargets, stored } from "../compression/denseTargets";
import { layerByLayer, layerwiseSchema } from "../compression/layerwise";
import { defineMethod, planBetween } from "../compression/method";
import { floatsOf } from "../compression/takenApart";
import { targetOptions } from "../compression/targets";

const title = "Weight clustering";

const options = z.strictObject({
  clusters: z.int().min(1).max(256).default(16).describe("Different values of a matrix."),
  iterations: z.int().min(1).default(50).describe("Rounds of k-means at most; it ends when nothing moves."),
  ...targetOptions("all projections"),
});
type Options = z.output<typeof options>;

export default defineMethod<Options>({
  title,
  paper: "Han, Mao, Dally: Deep Compression, 2016",
  options,
  rate: "clusters",
  levels: [256, 64, 16, 4, 1],
  samples: [{}, { clusters: 3, targets: "layers.*.mlp.*" }, { clusters: 256, targets: "embed_tokens" }],

  plan: (before, given) => {
    const targets = denseTargets(title, before, given);
    const after = stored(before, targets, () => ({
      type: "clustered",
      options: { clusters: given.clusters },
    }));
    return planBetween(before, after, "roles");
  },

  async apply(before, given, lab) {
    const targets = denseTargets(title, before.shape, given);
    return layerByLayer(before, targets, undefined, layerwiseSchema.parse({}), lab, ({ matrix }, tensors) => {
      const dense = toInOut(floatsOf(tensors, weightName(matrix)), matrix);
      const centroids = centroidsOf(dense, given.clusters, given.iterations);
      const codes = Int8Array.from(dense, (value) => nearest(centroids, value) + firstCode);
      return {
        type: "clustered",
        options: { clusters: given.clusters },
        tensors: [
          [clustersName(matrix), { shape: [matrix.inputs, matrix.outputs], data: codes }],
          [centroidsName(matrix), { shape: [given.clusters], data: Float32Array.from(centroids) }],
        ],
      };
    });
  },
});

/**
 * In order, from values spread evenly over the range at first (Deep Compression found linear starts best). On a line the
 * members of a centroid are an interval of the sorted values, so that a round is k binary searches over sums.
 */
function centroidsOf(values: Float32Array, count: number, iterations: number): Float64Array {
  const sorted = Float64Array.from(values).sort();
  const sums = new Float64Array(sorted.length + 1);
  sorted.forEach((value, i) => (sums[i + 1] = sums[i]! + value));
  const [low, high] = [sorted[0]!, sorted.at(-1)!];
  let centroids = Float64Array.from({ length: count }, (_, i) =>
    count === 1 ? (low + high) / 2 : low + ((high - low) * i) / (count - 1),
  );
  for (let round = 0; round < iterations; round++) {
    let from = 0;
    const next = centroids.map((centroid, i) => {
      const border = i + 1 < count ? (centroid + centroids[i + 1]!) / 2 : Infinity;
      const to = firstAtLeast(sorted, border, from);
      // A centroid without members stays where it is.
      const mean = to === from ? centroid : (sums[to]! - sums[from]!) / (to - from);
      from = to;
      return mean;
    });
    if (next.every((each, i) => each === centroids[i])) break;
    centroids = next;
  }
  return centroids;
}

/** The first place from `from` on whose value is at least `border`. */
function firstAtLeast(sorted: Float64Array, border: number, from: number): number {
  let [low, high] = [from, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < border) low = middle + 1;
    else high = middle;
  }
  return low;
}

function nearest(centroids: Float64Array, value: number): number {
  const above = firstAtLeast(centroids, value, 0);
  if (above === 0) return 0;
  if (above === centroids.length) return above - 1;
  return value - centroids[above - 1]! < centroids[above]! - value ? above - 1 : above;
}
