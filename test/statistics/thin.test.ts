import { describe, expect, it } from "vitest";
import { thin } from "../../src/statistics/thin";
import { createUniform } from "../support/sampleValues";

interface Curve {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/** Walks, plateaus, spikes and gaps over an axis that never decreases but may stay constant or jump. */
function curve(seed: number): Curve & { readonly points: number; readonly logarithmic: boolean } {
  const random = createUniform(seed);
  const length = Math.floor(random() ** 2 * 5000);
  const gaps = random() < 0.5 ? 0 : random() * 0.3;
  let [at, value] = [Math.floor(random() * 3), 0];
  const x = new Float64Array(length);
  const y = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    at += random() < 0.1 ? 0 : random() < 0.01 ? random() * 1000 : 1;
    value += random() - 0.5;
    x[i] = at;
    y[i] = random() < gaps ? NaN : random() < 0.003 ? value * 100 : random() < 0.1 ? 0 : value;
  }
  return { x, y, points: 8 + Math.floor(random() * 300), logarithmic: random() < 0.5 };
}

const seeds = Array.from({ length: 100 }, (_, seed) => seed);
const finite = (values: Iterable<number>) => [...values].filter(Number.isFinite);

describe("thinning any curve", () => {
  it.each([false, true])("keeps its guarantees for every seed (logarithmic: %s)", (logarithmic) => {
    for (const seed of seeds) {
      const { x, y, points } = curve(seed);
      const kept = thin(x, y, { points, logarithmic });
      const says = `seed ${seed}`;
      expect(kept.length, says).toBeLessThanOrEqual(Math.max(points, 0));
      expect([...kept], says).toEqual([...new Set(kept)].sort((a, b) => a - b));
      if (x.length === 0) continue;
      expect([kept[0], kept.at(-1)], says).toEqual([0, x.length - 1]);
      const values = finite(Array.from(kept, (place) => y[place]!));
      expect(Math.min(...values), says).toBe(Math.min(...finite(y)));
      expect(Math.max(...values), says).toBe(Math.max(...finite(y)));
      if (y.some(Number.isNaN))
        expect(
          [...kept].some((place) => Number.isNaN(y[place])),
          says,
        ).toBe(true);
    }
  });

  it("keeps the lowest point, the highest point and a gap of every bucket of the axis", () => {
    for (const seed of seeds) {
      const random = createUniform(seed);
      const gaps = seed % 2 === 0;
      const stretches = 2 + Math.floor(random() * 60);
      const width = 2 ** (3 + Math.floor(random() * 5)); // So that no boundary is rounded.
      const x = Float64Array.from({ length: stretches * width + 1 }, (_, at) => at);
      const y = x.map((_, at) => (gaps && (at === 0 || random() < 0.1) ? NaN : random()));
      const points = 2 + stretches * (gaps ? 3 : 2);
      const kept = thin(x, y, { points, logarithmic: false });
      for (let start = 0; start < x.length - 1; start += width) {
        // The last point has no bucket of its own.
        const all = y.subarray(start, start + width === x.length - 1 ? undefined : start + width);
        const stay = Array.from(
          kept.filter((at) => at >= start && at < start + all.length),
          (at) => y[at]!,
        );
        expect([Math.min(...finite(stay)), Math.max(...finite(stay))], `seed ${seed}`).toEqual([
          Math.min(...finite(all)),
          Math.max(...finite(all)),
        ]);
        expect(stay.some(Number.isNaN), `seed ${seed}`).toBe(all.some(Number.isNaN));
      }
    }
  });

  it("keeps enough points at the beginning of a logarithmic axis", () => {
    const x = Float64Array.from({ length: 1_000_000 }, (_, i) => i + 1);
    const y = x.map((at) => Math.sin(at));
    const first = (logarithmic: boolean) =>
      thin(x, y, { points: 2000, logarithmic }).filter((place) => x[place]! <= 1000).length;
    expect(first(false)).toBeLessThan(5);
    expect(first(true)).toBeGreaterThan(300);
  });

  it("leaves curves with few points unchanged", () => {
    expect([
      ...thin(Float64Array.of(1, 2, 3), Float64Array.of(3, NaN, 1), { points: 8, logarithmic: true }),
    ]).toEqual([0, 1, 2]);
  });
});
