/** k-means in one dimension against every partition of a few values, and the two forms of weight clustering. */
import { describe, expect, it } from "vitest";
import {
  clusterByLloyd,
  clusterExactly,
  findNearest,
  sortValues,
  spaceEvenly,
} from "../../../../src/backend/compression/quantization/kMeans";
import cluster from "../../../../src/backend/methods/cluster";
import { createUniform } from "../../../support/sampleValues";
import { applied, denseOf, errorOf, sizesOf, tiny } from "../../methods/shrinkSamples";

const cost = (values: ArrayLike<number>, weights: ArrayLike<number>, centroids: Float64Array) =>
  Array.from(values).reduce(
    (sum, each, i) => sum + weights[i]! * (each - centroids[findNearest(centroids, each)]!) ** 2,
    0,
  );

/** The least cost of all partitions of sorted values into at most `count` intervals. */
function searchAll(values: readonly number[], weights: readonly number[], count: number): number {
  const spread = (from: number, to: number) => {
    const own = values.slice(from, to);
    const total = weights.slice(from, to).reduce((sum, each) => sum + each, 0);
    if (total === 0) return 0;
    const mean = own.reduce((sum, each, i) => sum + each * weights[from + i]!, 0) / total;
    return own.reduce((sum, each, i) => sum + weights[from + i]! * (each - mean) ** 2, 0);
  };
  const visit = (from: number, left: number): number => {
    let least = spread(from, values.length);
    if (left > 1)
      for (let to = from + 1; to < values.length; to++)
        least = Math.min(least, spread(from, to) + visit(to, left - 1));
    return least;
  };
  return visit(0, count);
}

describe("the exact search", () => {
  const random = createUniform(3);

  it.each([1, 2, 3, 4, 5])("finds the best of all partitions into %d clusters", (count) => {
    for (let time = 0; time < 20; time++) {
      const values = Float32Array.from({ length: 10 }, () => (2 * random() - 1) ** 3).sort();
      // Some values are equal, and some have no weight.
      if (time % 3 === 0) values[4] = values[3]!;
      const weights = Float64Array.from(values, (_, i) => (time % 2 === 0 ? 1 : i % 4 === 1 ? 0 : random()));
      const sorted = sortValues(values, weights);
      const centroids = clusterExactly(sorted, count);
      expect([...centroids].sort((a, b) => a - b)).toEqual([...centroids]);
      expect(cost(values, weights, centroids)).toBeCloseTo(searchAll([...values], [...weights], count), 12);
    }
  });

  it("sorts any order of values with their weights", () => {
    const values = Float32Array.of(0, -2.5, 1e-20, 3, -1e-20, -0.25, 1e20, -1e20, 3);
    const weights = Float64Array.from(values, (_, i) => i + 1);
    const { values: sorted, sums } = sortValues(values, weights);
    expect([...sorted]).toEqual([...values].sort((a, b) => a - b));
    expect(sums.h.at(-1)).toBe(45);
    expect(sums.h[1]).toBe(8);
    expect(sums.h[2]! - sums.h[1]!).toBe(2);
  });

  it("of grouped values is better than Lloyd's from evenly spaced values", () => {
    // 256 clusters of more than 16,384 values are searched in groups.
    const values = Float32Array.from({ length: 20_000 }, () => (2 * random() - 1) ** 5);
    const sorted = sortValues(values);
    const weights = new Float64Array(values.length).fill(1);
    const [exact, lloyd] = [
      clusterExactly(sorted, 256),
      clusterByLloyd(sorted, spaceEvenly(sorted, 256), 100),
    ].map((each) => cost(values, weights, each));
    expect(exact!).toBeLessThan(0.7 * lloyd!);
  });

  it("has a centroid for every value if there are enough", () => {
    const values = Float32Array.of(3, 1, 2);
    expect([...clusterExactly(sortValues(values), 8)]).toEqual([1, 2, 3]);
  });
});

it("weight clustering has a smaller error than its published form, which starts evenly", async () => {
  const before = tiny();
  const [, outputs] = sizesOf(before);
  const dense = denseOf(before);
  for (const clusters of [3, 8, 16]) {
    const exact = await applied(cluster, { clusters, sensitivity: "none" }, before);
    const published = await applied(cluster, { clusters, as: "published" }, before);
    expect(errorOf(dense, denseOf(exact), outputs)).toBeLessThanOrEqual(
      errorOf(dense, denseOf(published), outputs),
    );
  }
});
