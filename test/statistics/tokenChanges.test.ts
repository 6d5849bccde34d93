import { expect, test } from "vitest";
import { computePerplexity, findChange } from "../../src/statistics/tokenChanges";

test("the largest change of all other models counts, in both directions", () => {
  const own = Math.log(0.4);
  expect(findChange(own, [Math.log(0.1), Math.log(0.8)])).toEqual({
    other: 0,
    change: Math.log(0.1) - own,
    level: 2,
  });
  expect(findChange(own, [Math.log(0.3), Math.log(0.8)])).toMatchObject({ other: 1, level: 1 });
});

test.each([
  [0.5, 0.5, undefined],
  [0.5, 0.251, undefined],
  [0.5, 0.25, 1],
  [0.1, 0.399, 1],
  [0.1, 0.4, 2],
  [0.8, 0.0501, 2],
  [0.8, 0.05, 3],
  [1e-9, 1, 3],
] as const)("from %f to %f is of level %s", (own, other, level) => {
  expect(findChange(Math.log(own), [Math.log(other)])?.level).toBe(level);
});

test("a token without a probability has no change, and another model without one does not count", () => {
  expect(findChange(null, [-1])).toBeUndefined();
  expect(findChange(undefined, [-1])).toBeUndefined();
  expect(findChange(-1, [])).toBeUndefined();
  expect(findChange(-1, [null, undefined])).toBeUndefined();
  expect(findChange(-1, [null, -9])).toMatchObject({ other: 1, change: -8 });
});

test("the perplexity is that of the known tokens", () => {
  expect(computePerplexity([Math.log(0.5), null, Math.log(0.125)])).toBeCloseTo(4, 12);
  expect(computePerplexity([null])).toBeNull();
});
