/** Weight clustering (Han et al., Deep Compression, 2016): replaces every weight by one of k values from Lloyd's k-means. */
import * as z from "zod";
import { toInOut, weightName } from "../representations/dense";
import { centroidsName, clustersName, firstCode } from "../representations/clustered";
import { selectDenseTargets, chooseRepresentations } from "../compression/denseTargets";
import { compressLayerwise, layerwiseSchema } from "../compression/layerwise";
import { defineMethod, planBetween } from "../compression/method";
import { readFloats } from "../compression/unpackTargets";
import { createTargetOptions } from "../compression/targets";

const title = "Weight clustering";

const optionsSchema = z.strictObject({
  clusters: z.int().min(1).max(256).default(16).describe("Number of distinct values per matrix."),
  iterations: z
    .int()
    .min(1)
    .default(50)
    .describe("Maximum number of k-means iterations. It stops earlier when it converges."),
  ...createTargetOptions("all projections"),
});
type Options = z.output<typeof optionsSchema>;

export default defineMethod<Options>({
  title,
  paper: "Han, Mao, Dally: Deep Compression, 2016",
  options: optionsSchema,
  rate: "clusters",
  levels: [256, 64, 16, 4, 1],
  samples: [{}, { clusters: 3, targets: "layers.*.mlp.*" }, { clusters: 256, targets: "embed_tokens" }],

  plan: (before, options) => {
    const targets = selectDenseTargets(title, before, options);
    const after = chooseRepresentations(before, targets, () => ({
      type: "clustered",
      options: { clusters: options.clusters },
    }));
    return planBetween(before, after, "roles");
  },

  async apply(before, options, lab) {
    const targets = selectDenseTargets(title, before.shape, options);
    return compressLayerwise(
      before,
      targets,
      undefined,
      layerwiseSchema.parse({}),
      lab,
      ({ matrix }, tensors) => {
        const dense = toInOut(readFloats(tensors, weightName(matrix)), matrix);
        const centroids = computeCentroids(dense, options.clusters, options.iterations);
        const codes = Int8Array.from(dense, (value) => findNearest(centroids, value) + firstCode);
        return {
          type: "clustered",
          options: { clusters: options.clusters },
          tensors: [
            [clustersName(matrix), { shape: [matrix.inputs, matrix.outputs], data: codes }],
            [centroidsName(matrix), { shape: [options.clusters], data: Float32Array.from(centroids) }],
          ],
        };
      },
    );
  },
});

/**
 * Computes sorted centroids, starting from evenly spaced values (Deep Compression found linear initialization best). In one
 * dimension the members of a centroid are an interval of the sorted values, so an iteration is k binary searches over
 * prefix sums.
 */
function computeCentroids(values: Float32Array, count: number, iterations: number): Float64Array {
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
      const to = findFirstAtLeast(sorted, border, from);
      // A centroid without members does not move.
      const mean = to === from ? centroid : (sums[to]! - sums[from]!) / (to - from);
      from = to;
      return mean;
    });
    if (next.every((each, i) => each === centroids[i])) break;
    centroids = next;
  }
  return centroids;
}

/** Finds the first index, starting at `from`, whose value is at least `border`. */
function findFirstAtLeast(sorted: Float64Array, border: number, from: number): number {
  let [low, high] = [from, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < border) low = middle + 1;
    else high = middle;
  }
  return low;
}

function findNearest(centroids: Float64Array, value: number): number {
  const above = findFirstAtLeast(centroids, value, 0);
  if (above === 0) return 0;
  if (above === centroids.length) return above - 1;
  return value - centroids[above - 1]! < centroids[above]! - value ? above - 1 : above;
}
