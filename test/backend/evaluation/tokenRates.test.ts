/** Rates of repetition and of meaningless words, on texts with obvious rates. */
import { describe, expect, it } from "vitest";
import {
  measureMeaninglessWords,
  measureRepeatedNgrams,
  measureRepeatedTokens,
  splitWords,
} from "../../../src/backend/evaluation/tokenRates";

describe("repeated n-grams", () => {
  it("have rate 0 if all differ, and nearly 1 if one token repeats", () => {
    expect(measureRepeatedNgrams([1, 2, 3, 4, 5, 6], 4)).toBe(0);
    expect(measureRepeatedNgrams([7, 7, 7, 7, 7, 7], 4)).toBeCloseTo(1 - 1 / 3, 12);
    expect(measureRepeatedNgrams([1, 2, 1, 2, 1], 2)).toBeCloseTo(1 - 2 / 4, 12);
    expect(measureRepeatedNgrams([1, 2], 4)).toBe(0);
  });
});

describe("repeated tokens", () => {
  it("are those that occur among the preceding tokens", () => {
    expect(measureRepeatedTokens([1, 2, 1, 3], 128)).toBe(0.25);
    expect(measureRepeatedTokens([1, 2, 3, 1], 2)).toBe(0);
    expect(measureRepeatedTokens([1, 2, 3, 1], 3)).toBe(0.25);
    expect(measureRepeatedTokens([], 3)).toBe(0);
  });
});

describe("meaningless words", () => {
  const isKnown = (word: string) => new Set(["the", "cat", "don't", "café"]).has(word);

  it("are those outside the dictionary, regardless of case", () => {
    expect(splitWords("The cat, don't; CAFÉ — 3rd.")).toEqual(["the", "cat", "don't", "café", "3rd"]);
    expect(measureMeaninglessWords("The cat xqzt", isKnown)).toBeCloseTo(1 / 3, 12);
    expect(measureMeaninglessWords("…!", isKnown)).toBe(0);
  });

  it("include unprintable characters, but not tabs and line ends", () => {
    expect(measureMeaninglessWords("the\uFFFD\uFFFD cat\n\t", isKnown)).toBeCloseTo(1 / 3, 12);
    expect(measureMeaninglessWords("the \u0007 cat \u0000\u0001", isKnown)).toBeCloseTo(2 / 4, 12);
  });
});
