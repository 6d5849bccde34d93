/** Representatives of tokens with low scores, on tables of scores that can be followed by hand. */
import { describe, expect, it } from "vitest";
import { cachePolicies } from "../../../src/backend/caches/catalog";
import { choosePrompt } from "../../../src/backend/caches/choosePrompt";

const policy = cachePolicies["kvcrush"]!;

/** The positions that each head keeps. */
function choose(
  values: Readonly<Record<string, unknown>> & { readonly budget: number },
  heads: readonly (readonly number[])[],
  seed = 0,
): number[][] {
  const options = policy.options.parse({ recent: 0, ...values }) as unknown;
  const scores = heads.map((head) => Float32Array.from(head));
  const protect = policy.protect(options, values.budget);
  const kept = choosePrompt({ policy, options }, protect, values.budget, heads[0]!.length, scores, seed);
  return kept.map((positions) => [...positions]);
}

const rising = Array.from({ length: 12 }, (_, i) => i);

describe("kvcrush", () => {
  it("without representatives keeps the highest scores", () => {
    expect(choose({ budget: 4, representatives: 0 }, [rising])).toEqual([[8, 9, 10, 11]]);
  });

  it("with the same bits everywhere spaces representatives evenly over the text", () => {
    const equal = new Array<number>(12).fill(1);
    // The first half of equal scores has the bit, so that a distance separates the halves, each in order.
    expect(choose({ budget: 3, representatives: 1, anchor: "ones" }, [equal])).toEqual([[2, 6, 10]]);
    expect(choose({ budget: 12 / 2, representatives: 1, anchor: "ones" }, [equal])).toEqual([
      [1, 3, 5, 7, 9, 11],
    ]);
  });

  it("sorts tokens by their distance to the anchor", () => {
    // Bits of the tokens 0 to 7, a column for each head: 11 10 01 00 11 10 01 00.
    const heads = [
      [8, 7, 1, 2, 6, 5, 3, 4],
      [8, 1, 7, 2, 6, 3, 5, 4],
    ];
    const options = { budget: 4, representatives: 1 };
    // By distance to 11: 0 4 | 1 2 5 6 | 3 7, of which the second, fourth, sixth and eighth are representatives.
    expect(choose({ ...options, anchor: "ones" }, heads)).toEqual([
      [2, 4, 6, 7],
      [2, 4, 6, 7],
    ]);
    // To 00: 3 7 | 1 2 5 6 | 0 4.
    expect(choose({ ...options, anchor: "zeros" }, heads)[0]).toEqual([2, 4, 6, 7]);
    // To 01: 2 6 | 0 3 4 7 | 1 5.
    expect(choose({ ...options, anchor: "alternating" }, heads)[0]).toEqual([3, 5, 6, 7]);
    // Of half of the tokens each head has a bit, which is not a majority: the mean is 00.
    expect(choose({ ...options, anchor: "mean" }, heads)[0]).toEqual(
      choose({ ...options, anchor: "zeros" }, heads)[0],
    );
  });

  it("represents only tokens that were not chosen by score, head by head", () => {
    const falling = [...rising].reverse();
    const kept = choose({ budget: 4, representatives: 0.5, anchor: "ones" }, [rising, falling]);
    // Head 0 keeps 10 and 11; every token has one bit of two, so the others are in the order of the text.
    expect(kept).toEqual([
      [2, 7, 10, 11],
      [0, 1, 4, 9],
    ]);
  });

  it.each([0.1, 0.35, 0.5, 0.8, 1])("keeps exactly the budget with a share of %d", (representatives) => {
    for (let budget = 2; budget < 12; budget++)
      for (const top of [0.01, 0.5, 0.99])
        for (const kept of choose({ budget, representatives, top, recent: 0.3 }, [rising, rising])) {
          expect(new Set(kept).size).toBe(budget);
          const recent = Math.floor(0.3 * budget);
          expect(kept.filter((at) => at >= 12 - recent)).toHaveLength(recent);
        }
  });

  it("draws a random anchor from the seed of the text alone", () => {
    const scores = (step: number) => Array.from({ length: 40 }, (_, i) => (i * step) % 41);
    const heads = [7, 11, 13, 17, 19, 23].map(scores);
    const draw = (seed: number) =>
      choose({ budget: 8, representatives: 1, anchor: "random" }, heads, seed)[0];
    expect(draw(3)).toEqual(draw(3));
    expect(new Set([1, 2, 3, 4, 5].map((seed) => JSON.stringify(draw(seed)))).size).toBeGreaterThan(2);
  });
});
