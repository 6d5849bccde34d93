import { describe, expect, it } from "vitest";
import type { KeptTokensData } from "../../src/protocol/figures";
import { createKeptPicture } from "../../src/pictures/keptPicture";
import { paperTheme as theme } from "../../src/pictures/theme";

const draw = (data: KeptTokensData) => createKeptPicture(data, { title: "t", theme, width: 470 });

describe("a picture of kept tokens", () => {
  it("reads each head and all of them together", () => {
    const { readings, labels, height, area } = draw({
      kind: "keptTokens",
      tokens: 4,
      tokensPerColumn: 1,
      texts: ["a", "\u202eb", "\n", "d"],
      rows: [
        { layer: "layer 0", head: 0, heads: 1, counts: [1, 1, 0, 0] },
        { layer: "layer 0", head: 1, heads: 1, counts: [1, 0, 0, 1] },
        { layer: "layer 1", head: 0, heads: 1, counts: [1, 0, 0, 1] },
      ],
    });
    const { x, y, describe: read } = readings!;
    expect(x).toEqual(new Array(4).fill([70, 170, 270, 370, 470]));
    expect(y).toHaveLength(5);
    expect(y).toEqual(y.toSorted((a, b) => a - b));
    expect(read(0, 0)).toBe('"a", position 0, layer 0, head 0: kept');
    expect(read(1, 1)).toBe('"\\u202eb", position 1, layer 0, head 1: not kept');
    expect(read(2, 3)).toBe('"d", position 3, layer 1, head 0: kept');
    expect(read(3, 2)).toBe('"\\n", position 2: in 0 of 3 heads');
    expect(labels.map(({ text }) => text)).toEqual([
      "t",
      "layer 0",
      "layer 1",
      "all heads",
      "0",
      "position of the token",
      "3",
    ]);
    expect(height).toBe(area.bottom + 34);
  });

  it("states which tokens and heads share a cell, and the last column may have fewer tokens", () => {
    const { readings, labels, faces } = draw({
      kind: "keptTokens",
      tokens: 5,
      tokensPerColumn: 2,
      texts: ["a b", "c d", "e"],
      rows: [
        { layer: "layers 0–1", heads: 4, counts: [8, 2, 0] },
        { layer: "layer 2", heads: 2, counts: [4, 0, 1] },
      ],
    });
    expect(readings!.x[2]).toEqual([70, 230, 390, 470]);
    expect(readings!.describe(0, 1)).toBe('"c d", positions 2 to 3, layers 0–1, 4 heads: 2 of 8 kept');
    expect(readings!.describe(1, 2)).toBe('"e", position 4, layer 2, 2 heads: 1 of 2 kept');
    expect(readings!.describe(2, 0)).toBe('"a b", positions 0 to 1: 12 of 12 kept, all heads together');
    expect(labels.at(-1)!.text).toBe("2 tokens a column, 4 heads a row");
    // Nothing is drawn where nothing is kept: two cells in each row, and a strip of three.
    expect(faces!.filter(({ title }) => title === undefined)).toHaveLength(4);
    expect(faces!.filter(({ title }) => title !== undefined)).toHaveLength(3);
  });

  it("names layers only where there is room", () => {
    const { labels } = draw({
      kind: "keptTokens",
      tokens: 1,
      tokensPerColumn: 1,
      texts: ["a"],
      rows: Array.from({ length: 32 }, (_, i) => ({ layer: `layer ${i}`, heads: 2, counts: [1] })),
    });
    const names = labels.filter(({ text }) => text.startsWith("layer "));
    expect(names.length).toBeGreaterThan(10);
    names.forEach(({ y }, i) => i > 0 && expect(y - names[i - 1]!.y).toBeGreaterThanOrEqual(13));
  });
});
