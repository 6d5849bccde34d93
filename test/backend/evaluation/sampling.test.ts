import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { describe, expect, it } from "vitest";
import {
  selectCandidates,
  draw,
  findMostLikely,
  penalizeRepetition,
} from "../../../src/backend/evaluation/sampling";

/** Logits with a known softmax. */
const logitsOf = (...probabilities: number[]) => Float32Array.from(probabilities, (each) => Math.log(each));
const everything = { temperature: 1, top_k: 0, top_p: 1 };
const shares = (logits: Float32Array, options: Partial<typeof everything>) => {
  const { ids, probabilities } = selectCandidates(logits, { ...everything, ...options });
  return Object.fromEntries(ids.map((id, i) => [id, Number(probabilities[i]!.toFixed(5))]));
};

describe("candidates", () => {
  const logits = logitsOf(0.1, 0.4, 0.2, 0.3);

  it("are all tokens with the softmax of the logits, most likely first", () => {
    expect(shares(logits, {})).toEqual({ 1: 0.4, 3: 0.3, 2: 0.2, 0: 0.1 });
    expect(selectCandidates(logits, everything).ids).toEqual([1, 3, 2, 0]);
  });

  it("have probabilities to the power of 1/temperature, normalized to a sum of one", () => {
    const powers = [0.1, 0.4, 0.2, 0.3].map((each) => each ** 2);
    const all = powers.reduce((a, b) => a + b);
    const { ids, probabilities } = selectCandidates(logits, { ...everything, temperature: 0.5 });
    ids.forEach((id, i) => expect(probabilities[i]).toBeCloseTo(powers[id]! / all, 6));
  });

  it("reduce to the most likely token as the temperature approaches zero", () => {
    expect(shares(logits, { temperature: 0 })).toEqual({ 1: 1 });
    expect(shares(logits, { temperature: 1e-3 })[1]).toBe(1);
    expect(shares(logits, { temperature: 1e6 })[0]).toBeCloseTo(0.25, 3);
  });

  it("keep the k most likely tokens and renormalize their probabilities", () => {
    expect(shares(logits, { top_k: 2 })).toEqual({ 1: 0.57143, 3: 0.42857 });
    expect(shares(logits, { top_k: 1 })).toEqual({ 1: 1 });
    expect(shares(logits, { top_k: 9 })).toEqual(shares(logits, {}));
  });

  it("keep all tokens that tie with the k-th", () => {
    expect(shares(Float32Array.of(1, 2, 1, 1), { top_k: 2 })).toEqual(
      shares(Float32Array.of(1, 2, 1, 1), {}),
    );
  });

  it.each([
    [0, [1]],
    [0.39, [1]],
    [0.41, [1, 3]],
    [0.69, [1, 3]],
    [0.71, [1, 3, 2]],
    [0.95, [1, 3, 2, 0]],
    [1, [1, 3, 2, 0]],
  ])("with top_p %f are the smallest set with that probability", (top_p, ids) => {
    const kept = selectCandidates(logits, { ...everything, top_p });
    expect(kept.ids).toEqual(ids);
    expect(kept.probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
  });

  it("apply top_k before top_p, which counts the remaining tokens", () => {
    // Of the two left, the first has 0.4/0.7, which is more than 0.5.
    expect(shares(logits, { top_k: 2, top_p: 0.5 })).toEqual({ 1: 1 });
  });

  it("apply the temperature before top_p", () => {
    expect(Object.keys(shares(logits, { temperature: 0.1, top_p: 0.9 }))).toEqual(["1"]);
    expect(Object.keys(shares(logits, { temperature: 10, top_p: 0.9 }))).toHaveLength(4);
  });

  it("are refused if a logit is NaN", () => {
    expect(() => selectCandidates(Float32Array.of(1, NaN), everything)).toThrow(/not numbers/);
    expect(() => findMostLikely(Float32Array.of(1, NaN))).toThrow(/not numbers/);
  });
});

describe("draw", () => {
  it("takes the candidate whose share of [0, 1) contains the number", () => {
    const kept = { ids: [7, 3, 5], probabilities: Float64Array.of(0.5, 0.25, 0.25) };
    expect([0, 0.49, 0.5, 0.74, 0.75, 0.999999, 1].map((each) => draw(kept, each))).toEqual([
      7, 7, 3, 3, 5, 5, 5,
    ]);
  });

  it("draws each token with the frequency of its probability", () => {
    const generator = xoroshiro128plus(3);
    const expected = [0.05, 0.15, 0.3, 0.5];
    const kept = selectCandidates(logitsOf(...expected), everything);
    const draws = 40_000;
    const seen = [0, 0, 0, 0];
    for (let i = 0; i < draws; i++) seen[draw(kept, uniformFloat64(generator))]!++;
    // Pearson's statistic has three degrees of freedom; 16.3 is exceeded once in a thousand times, and the seed is
    // fixed.
    const statistic = seen.reduce(
      (total, count, i) => total + (count - draws * expected[i]!) ** 2 / (draws * expected[i]!),
      0,
    );
    expect(statistic).toBeLessThan(16.3);
  });
});

describe("mostLikely", () => {
  it("is the lowest id of equal logits", () => {
    expect(findMostLikely(Float32Array.of(1, 3, 2, 3))).toBe(1);
    expect(findMostLikely(Float32Array.of(-5, -5))).toBe(0);
  });
});

describe("penaliseRepetition", () => {
  it("divides positive logits and multiplies negative ones, once, however often a token occurred", () => {
    const logits = Float32Array.of(2, -2, 3, -3);
    penalizeRepetition(logits, [0, 1, 0, 1], 2);
    expect([...logits]).toEqual([1, -4, 3, -3]);
  });

  it("changes nothing at 1", () => {
    const logits = Float32Array.of(2.5, -2);
    penalizeRepetition(logits, [0, 1], 1);
    expect([...logits]).toEqual([2.5, -2]);
  });
});
