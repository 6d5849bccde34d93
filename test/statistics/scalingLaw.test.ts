import { describe, expect, it } from "vitest";
import {
  findPlateaus,
  findSizeOfLoss,
  fitScalingLaw,
  predictLoss,
  type ScalingLaw,
} from "../../src/statistics/scalingLaw";
import { drawNormals } from "../support/normals";

const sizes = [1e4, 3e4, 1e5, 3e5, 1e6, 3e6];

const draw = (law: ScalingLaw, each: readonly (readonly number[])[]) =>
  each.map((point) => ({ sizes: point, loss: predictLoss(law, point) }));

describe("a law of one size", () => {
  it.each([
    { floor: 1.69, terms: [{ factor: 406, exponent: 0.34 }] },
    { floor: 0.2, terms: [{ factor: 30, exponent: 0.09 }] },
    { floor: 0, terms: [{ factor: 12, exponent: 0.066 }] },
  ])("is found exactly from its own points: $floor", (law) => {
    const {
      law: found,
      deviation,
      intervals,
    } = fitScalingLaw(
      draw(
        law,
        sizes.map((size) => [size]),
      ),
    );
    expect(found.terms[0]!.exponent).toBeCloseTo(law.terms[0]!.exponent, 4);
    expect(Math.abs(found.floor - law.floor)).toBeLessThan(2e-3);
    expect(deviation).toBeLessThan(1e-5);
    expect(intervals.floor[1] - intervals.floor[0]).toBeLessThan(1e-2);
    const [size] = sizes;
    expect(findSizeOfLoss(found, predictLoss(law, [size!]))! / size!).toBeCloseTo(1, 3);
    expect(findSizeOfLoss(found, found.floor)).toBeUndefined();
  });

  it("without a floor is the regression of the logarithms", () => {
    const noise = drawNormals(sizes.length, 3);
    // A convex curve on logarithms would have a floor; a concave one has none.
    const points = sizes.map((size, i) => ({
      sizes: [size],
      loss: 20 * size ** -0.1 * (1 + 1e-5 * noise[i]! - 0.002 * (i - 2.5) ** 2),
    }));
    const { law } = fitScalingLaw(points);
    expect(law.floor).toBe(0);
  });

  it("has intervals that contain the true numbers where losses are noisy, and predicts a larger size", () => {
    const law = { floor: 1.5, terms: [{ factor: 120, exponent: 0.4 }] };
    const noise = drawNormals(3 * sizes.length, 4);
    const points = [0, 1, 2].flatMap((seed) =>
      sizes.map((size, i) => ({
        sizes: [size],
        loss: predictLoss(law, [size]) * (1 + 0.004 * noise[seed * sizes.length + i]!),
      })),
    );
    const { law: found, intervals, deviation } = fitScalingLaw(points);
    const isInside = ([low, high]: readonly [number, number], value: number) => low <= value && value <= high;
    expect(isInside(intervals.floor, law.floor)).toBe(true);
    expect(isInside(intervals.exponents[0]!, 0.4)).toBe(true);
    expect(deviation).toBeGreaterThan(0.002);
    expect(deviation).toBeLessThan(0.007);
    expect(predictLoss(found, [1e7]) / predictLoss(law, [1e7])).toBeCloseTo(1, 2);
  });

  it("is not moved far by one run that went wrong", () => {
    const law = { floor: 1.5, terms: [{ factor: 120, exponent: 0.4 }] };
    const points = draw(
      law,
      [...sizes, ...sizes].map((size) => [size]),
    );
    const broken = points.map((point, i) => (i === 2 ? { ...point, loss: 2 * point.loss } : point));
    expect(fitScalingLaw(broken).law.floor).toBeCloseTo(1.5, 2);
  });
});

describe("a law of two sizes", () => {
  it("is found from a grid of its own points", () => {
    const law = {
      floor: 1.69,
      terms: [
        { factor: 406, exponent: 0.34 },
        { factor: 411, exponent: 0.28 },
      ],
    };
    const points = draw(
      law,
      sizes.flatMap((size) => [1e6, 1e7, 1e8, 1e9].map((tokens) => [size, tokens])),
    );
    const { law: found } = fitScalingLaw(points);
    expect(found.terms[0]!.exponent).toBeCloseTo(0.34, 2);
    expect(found.terms[1]!.exponent).toBeCloseTo(0.28, 2);
    expect(found.floor).toBeCloseTo(1.69, 1);
    for (const { sizes: each, loss } of points) expect(predictLoss(found, each) / loss).toBeCloseTo(1, 3);
  });
});

describe("plateaus", () => {
  const at = (size: number, losses: readonly number[]) => losses.map((loss) => ({ size, loss }));

  it("are where a larger model is not better by more than the seeds differ", () => {
    const points = [...at(1, [3, 3.02]), ...at(2, [2.5, 2.52]), ...at(4, [2.5, 2.53]), ...at(8, [2.7, 2.72])];
    expect(findPlateaus(points, 0).map(({ from, to }) => [from, to])).toEqual([
      [2, 4],
      [4, 8],
    ]);
    expect(findPlateaus(points, 0)[1]!.change).toBeCloseTo(0.195, 6);
  });

  it("take the deviation of the fit where a size has one run", () => {
    const points = [...at(1, [3]), ...at(2, [2.9])];
    expect(findPlateaus(points, 0.01)).toEqual([]);
    expect(findPlateaus(points, 0.05)).toHaveLength(1);
  });
});
