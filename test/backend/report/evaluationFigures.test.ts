import { describe, expect, test } from "vitest";
import { fitsResults } from "../../../src/backend/evaluation/keptTokens";
import { createMeasuredFigures } from "../../../src/backend/report/evaluationFigures";
import { condenseKeptTokens } from "../../../src/backend/report/keptTokensFigure";
import { countColumnTokens } from "../../../src/protocol/figures";

describe("the figures of a metric", () => {
  test("are those of its own details", () => {
    const cells = [
      { length: 64, depth: 0, correct: 3, samples: 4 },
      { length: 32, depth: 1, correct: 1, samples: 4 },
    ];
    expect(createMeasuredFigures("retrieval", { cells })).toEqual([
      {
        kind: "figure",
        title: "Retrieval by depth and length",
        caption: "4 of 8 right",
        data: {
          kind: "heatMap",
          axes: ["depth", "tokens of the prompt"],
          rowNames: ["0", "1"],
          columnNames: ["32", "64"],
          shares: [null, 0.75, 0.25, null],
          notes: [null, "3 of 4", "1 of 4", null],
        },
      },
    ]);
    expect(createMeasuredFigures("perplexity", { cells })).toEqual([]);
  });

  test.each([
    ["nothing", undefined],
    ["no tokens", { policy: "h2o", kept: { tokens: [], layers: [[[]]] } }],
    ["no layers", { policy: "h2o", kept: { tokens: ["a"], layers: [] } }],
    ["a position after the text", { policy: "h2o", kept: { tokens: ["a"], layers: [[[1]]] } }],
    ["the cache of all tokens", { policy: "full", kept: null }],
  ])("do not exist for details with %s", (_, details) => {
    expect(createMeasuredFigures("cache", details)).toEqual([]);
  });
});

/** Every head keeps each position of which the number of its layer and head is a divisor. */
function createKept(tokens: number, layers: number, heads: number) {
  return {
    tokens: Array.from({ length: tokens }, (_, i) => `t${i} `),
    layers: Array.from({ length: layers }, (_, layer) =>
      Array.from({ length: heads }, (__, head) =>
        Array.from({ length: tokens }, (___, i) => i).filter((i) => i % (1 + layer + head) === 0),
      ),
    ),
  };
}

describe("kept tokens", () => {
  test("have a row for each head and a column for each token while they fit", () => {
    const kept = createKept(1024, 4, 8);
    const { tokensPerColumn, texts, rows } = condenseKeptTokens(kept);
    expect(tokensPerColumn).toBe(1);
    expect(texts).toEqual(kept.tokens);
    expect(rows).toHaveLength(32);
    expect(rows[11]).toMatchObject({ layer: "layer 1", head: 3, heads: 1 });
    rows.forEach(({ counts }, i) =>
      expect(counts.flatMap((count, position) => (count === 1 ? [position] : []))).toEqual(
        kept.layers.flat()[i],
      ),
    );
  });

  test.each([
    ["long", 1025, 4, 8, 2, 32, "layer 3"],
    ["of many heads", 100, 5, 8, 1, 5, "layer 4"],
    ["of many layers", 100, 70, 2, 1, 24, "layer 69"],
    ["long, of very many layers", 5000, 65, 1, 5, 22, "layers 63–64"],
  ] as const)(
    "%s share columns or rows, and none is lost",
    (_, tokens, layers, heads, perColumn, count, last) => {
      const kept = createKept(tokens, layers, heads);
      const data = condenseKeptTokens(kept);
      expect(data.tokensPerColumn).toBe(perColumn);
      expect(data.rows).toHaveLength(count);
      expect(data.rows.at(-1)!.layer).toBe(last);
      expect(data.rows.reduce((sum, row) => sum + row.heads, 0)).toBe(layers * heads);
      const columns = data.texts.map((__, column) => countColumnTokens(data, column));
      expect(columns.reduce((a, b) => a + b, 0)).toBe(tokens);
      const positions = new Array<number>(tokens).fill(0);
      for (const position of kept.layers.flat(2)) positions[position]! += 1;
      columns.forEach((size, column) => {
        const first = column * perColumn;
        const sum = (counts: readonly number[]) => counts.reduce((x, y) => x + y, 0);
        expect(sum(data.rows.map((row) => row.counts[column]!))).toBe(
          sum(positions.slice(first, first + size)),
        );
      });
      expect(data.texts[1]).toBe(kept.tokens.slice(perColumn, 2 * perColumn).join(""));
    },
  );

  test("of any text are small enough to send", () => {
    const kept = createKept(60_000, 2, 2);
    kept.tokens.fill("a word that is long ");
    const data = condenseKeptTokens(kept);
    expect(data.texts.every((text) => text.length === 40 && text.endsWith("…"))).toBe(true);
    expect(JSON.stringify(condenseKeptTokens(createKept(1024, 4, 8))).length).toBeLessThan(100_000);
    expect(JSON.stringify(data).length).toBeLessThan(100_000);
  });

  test("are written with the results only if readers accept the file", () => {
    const positions = Array.from({ length: 62_500 }, (_, i) => i);
    const tokens = positions.map(() => "a");
    const layers = (heads: number) => [Array.from({ length: heads }, () => positions)];
    expect(fitsResults({ tokens, layers: layers(8) })).toBe(true);
    expect(fitsResults({ tokens, layers: layers(9) })).toBe(false);
    expect(fitsResults({ tokens: new Array<string>(65_537).fill("a"), layers: [[[0]]] })).toBe(false);
  });
});
