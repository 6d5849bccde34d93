import { describe, expect, it } from "vitest";
import { splitWindow, createWindows } from "../../../src/backend/evaluation/windows";

describe("windowsOf", () => {
  it("gives non-overlapping windows without their first tokens if the stride equals the context", () => {
    expect([...createWindows(10, 4, 4)]).toEqual([
      { start: 0, from: 1, to: 4 },
      { start: 4, from: 5, to: 8 },
      { start: 8, from: 9, to: 10 },
    ]);
    expect([...createWindows(9, 4, 4)].at(-1)).toEqual({ start: 4, from: 5, to: 8 });
  });

  it("scores only the last tokens of each further window", () => {
    expect([...createWindows(9, 4, 2)]).toEqual([
      { start: 0, from: 1, to: 4 },
      { start: 2, from: 4, to: 6 },
      { start: 4, from: 6, to: 8 },
      { start: 6, from: 8, to: 9 },
    ]);
  });

  it("gives a text shorter than the context one window", () => {
    expect([...createWindows(3, 8, 2)]).toEqual([{ start: 0, from: 1, to: 3 }]);
  });

  it.each([
    [50, 8, 1],
    [50, 8, 3],
    [50, 8, 7],
    [8, 8, 2],
    [2, 8, 8],
    [57, 5, 5],
  ])("scores every token of %i once, with context %i and stride %i", (tokens, context, stride) => {
    const seen = new Array<number>(tokens).fill(0);
    const windows = [...createWindows(tokens, context, stride)];
    for (const window of windows)
      for (const { start, from, to } of splitWindow(window, Math.min(stride, 3)))
        for (let token = from; token < to; token++) {
          seen[token]!++;
          expect(token).toBeGreaterThan(start);
          expect(token).toBeLessThan(start + context);
        }
    // Only windows without overlap start with a token that no window scores.
    const unscored = (token: number) => token % stride === 0 && (token === 0 || stride === context);
    expect(seen).toEqual(seen.map((_, token) => (unscored(token) ? 0 : 1)));
  });
});
