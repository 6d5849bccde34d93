import { describe, expect, it } from "vitest";
import { corrupt, corruptions } from "../../../src/backend/evaluation/corruption";

const sentence =
  "The Quick brown fox\njumps  over the LAZY dog, which sleeps. THE BROWN FOX JUMPS OVER A DOG WHICH SLEEPS, quick and lazy. ";
const text = sentence.repeat(40);

/** Edits of single characters that make one text of another (Levenshtein). */
function countEdits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row.at(-1)!;
}

const words = (each: string) => each.split(/\s+/).filter((word) => word !== "");

describe.each(corruptions)("%s", (kind) => {
  it("is the same for the same seed, another for another, and writes known characters only", () => {
    const changed = corrupt(text, kind, 0.2, 3);
    expect(corrupt(text, kind, 0.2, 3)).toBe(changed);
    expect(corrupt(text, kind, 0.2, 4)).not.toBe(changed);
    expect([...new Set(changed)].filter((character) => !text.includes(character))).toEqual([]);
  });

  it("changes more at a higher strength", () => {
    const short = sentence.repeat(8);
    const edits = [0.02, 0.1, 0.5].map((strength) => countEdits(short, corrupt(short, kind, strength, 1)));
    expect(edits).toEqual([...edits].sort((a, b) => a - b));
    expect(edits[0]).toBeLessThan(edits[2]!);
  });
});

it("typos are about as many as the strength specifies, and spaces stay", () => {
  const letters = text.replace(/\P{L}/gu, "").length;
  const mistyped = corrupt(text, "typos", 0.05, 1);
  // A swap is two edits, and a replacement by the same letter none.
  const edits = countEdits(text, mistyped);
  expect(edits / letters).toBeGreaterThan(0.04);
  expect(edits / letters).toBeLessThan(0.08);
});

it("dropping leaves words in their order, and swapping keeps them all", () => {
  const kept = words(corrupt(text, "drop", 0.3, 1));
  const all = words(text);
  expect(kept.length / all.length).toBeGreaterThan(0.6);
  expect(kept.length / all.length).toBeLessThan(0.8);
  let at = 0;
  for (const word of kept) {
    at = all.indexOf(word, at) + 1;
    expect(at).toBeGreaterThan(0);
  }
  const swapped = corrupt(text, "swap", 0.3, 1);
  expect(words(swapped).sort()).toEqual(words(text).sort());
  expect(swapped.replace(/\S/g, "x").length).toBe(text.length);
});

it("everything is dropped at a strength of 1, and case changes words whose letters are known in both", () => {
  expect(words(corrupt(text, "drop", 1, 1))).toEqual([]);
  expect(corrupt("Ab ab AB ba BA", "case", 1, 1)).toBe("AB AB ab BA ba");
  expect(corrupt("abc abc", "case", 1, 1)).toBe("abc abc");
});
