import { describe, expect, it } from "vitest";
import { drawMasks, regressLosses } from "../../../../src/backend/compression/pruning/perturbations";
import { createRandomStream } from "../../../../src/backend/representations/randomStream";

const random = () => createRandomStream("test", 1);

describe("masks", () => {
  it.each([
    [8, 10],
    [7, 6],
  ])("of %i units drop each of them equally often, in %i complementary models", (units, count) => {
    const masks = drawMasks(units, count, random());
    expect(masks).toHaveLength(count);
    for (let unit = 0; unit < units; unit++)
      expect(masks.filter((mask) => mask[unit]).length).toBe(count / 2);
    for (const [i, mask] of masks.entries())
      if (i % 2 === 1) expect(mask).toEqual(masks[i - 1]!.map((each) => !each));
    expect(new Set(masks.map((mask) => mask.join())).size).toBeGreaterThan(2);
  });
});

describe("the regression", () => {
  it("recovers an additive effect exactly where there are more models than units", () => {
    const effects = [0.5, -0.1, 0, 2, 0.3, 0.01];
    const masks = drawMasks(effects.length, 40, random());
    const losses = masks.map((mask) => 3 + effects.reduce((sum, each, i) => sum + (mask[i] ? each : 0), 0));
    const found = regressLosses(masks, losses, 1e-9);
    // Complementary pairs of half of the units leave one direction open: a constant for all of them.
    const shift = (values: ArrayLike<number>) => {
      const mean = Array.from(values).reduce((sum, each) => sum + each, 0) / effects.length;
      return Array.from(values, (each) => each - mean);
    };
    shift(found).forEach((each, i) => expect(each).toBeCloseTo(shift(effects)[i]!, 6));
  });

  it("ranks units where there are fewer models than units", () => {
    const effects = Array.from({ length: 60 }, (_, i): number => (i < 5 ? 5 : 0));
    const masks = drawMasks(effects.length, 40, random());
    const losses = masks.map((mask) => effects.reduce((sum, each, i) => sum + (mask[i] ? each : 0), 0));
    const found = [...regressLosses(masks, losses, 1e-3)];
    const mean = (values: readonly number[]) => values.reduce((sum, each) => sum + each / values.length, 0);
    const [worthy, others] = [found.slice(0, 5), found.slice(5)];
    const spread = Math.sqrt(mean(others.map((each) => (each - mean(others)) ** 2)));
    // Without an effect, the mean of five is above that of the others by this much once in a million times.
    expect(mean(worthy) - mean(others)).toBeGreaterThan((5 * spread) / Math.sqrt(5));
  });
});
