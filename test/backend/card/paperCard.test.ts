import { describe, expect, test } from "vitest";
import type { RunFigures } from "../../../src/backend/card/figures";
import { createCardBlocks, summarizeCard, createPaperCard } from "../../../src/backend/card/paperCard";
import { type Paper, paperSchema } from "../../../src/schema/paper";

function paperOf(given: Readonly<Record<string, unknown>>): Paper {
  return paperSchema.parse({ title: "A paper", ...given });
}

interface Given {
  readonly loss?: number;
  readonly seed?: number;
  readonly scale?: string;
  readonly tokens?: number | undefined;
  readonly size?: number;
  readonly point?: string;
}

function run(
  variant: string,
  { loss, seed = 0, scale, size = 100, point = "", ...given }: Given,
): RunFigures {
  const tokens = "tokens" in given ? given.tokens : 1000;
  return {
    variant,
    scale,
    point,
    seed,
    ...(tokens === undefined ? {} : { tokens }),
    values: {
      "parameters/non_embedding": size,
      ...(loss === undefined
        ? {}
        : { "eval/loss": loss, "train/loss": loss - 0.25, perplexity: Math.exp(loss) }),
    },
  };
}

const seeds = (variant: string, losses: readonly number[], given: Given = {}) =>
  losses.map((loss, seed) => run(variant, { ...given, loss, seed }));

describe("the verdict on a published number", () => {
  const published = [{ variant: "small", quantity: "eval/loss", value: 1.6, tolerance: 0.02 }];
  const verdictOf = (paper: Readonly<Record<string, unknown>>, runs: readonly RunFigures[]) => {
    const [row] = createPaperCard(paperOf({ published, ...paper }), runs).rows;
    return [row!.verdict.kind, row!.verdict.reason, row!.gap === undefined ? undefined : row!.gap.toFixed(3)];
  };

  test.each([
    ["within its tolerance", {}, seeds("small", [1.61]), ["reproduced", undefined, "0.010"]],
    ["at its tolerance", {}, seeds("small", [1.62]), ["reproduced", undefined, "0.020"]],
    ["below it by more", {}, seeds("small", [1.5]), ["not reproduced", undefined, "-0.100"]],
    [
      "beyond the spread of the seeds",
      {},
      seeds("small", [1.699, 1.7, 1.701]),
      ["not reproduced", undefined, "0.100"],
    ],
    [
      "within the spread of the seeds",
      {},
      seeds("small", [1.4, 1.7, 2]),
      ["not reproduced", "but within the interval of the seeds", "0.100"],
    ],
    [
      "at another scale",
      { scale: "full" },
      seeds("small", [1.6], { scale: "tiny" }),
      ["not comparable", "scale tiny, published at full", undefined],
    ],
    [
      "at its own scale",
      { scale: "full" },
      seeds("small", [1.6], { scale: "full" }),
      ["reproduced", undefined, "0.000"],
    ],
    [
      "after fewer tokens",
      { tokens: 10_000 },
      seeds("small", [1.6]),
      ["not comparable", "trained on 10 % of the published tokens", undefined],
    ],
    ["of another variant's run", {}, seeds("large", [1.6]), ["not comparable", "no finished run", undefined]],
    [
      "of a run that is only planned",
      {},
      [run("small", { tokens: undefined })],
      ["not comparable", "no finished run", undefined],
    ],
    ["that was not measured", {}, [run("small", {})], ["not comparable", "not measured", undefined]],
  ] as const)("%s", (_, paper, runs, wanted) => {
    expect(verdictOf(paper, runs)).toEqual(wanted);
  });

  test("a count is exact and needs no training, and a percentage applies at every scale", () => {
    const paper = paperOf({
      scale: "full",
      baseline: "dense",
      published: [
        { variant: "small", quantity: "parameters/non_embedding", value: 15 },
        { variant: "small", quantity: "parameters/non_embedding_percent", value: 15, tolerance: 0.5 },
      ],
    });
    const kinds = (scale: string, size: number) =>
      createPaperCard(paper, [
        run("dense", { scale, tokens: undefined, size: 100 }),
        run("small", { scale, tokens: undefined, size }),
      ]).rows.map(({ verdict }) => verdict.kind);
    expect(kinds("full", 15)).toEqual(["reproduced", "reproduced"]);
    expect(kinds("full", 16)).toEqual(["not reproduced", "not reproduced"]);
    expect(kinds("tiny", 15)).toEqual(["not comparable", "reproduced"]);
  });
});

describe("the conclusion", () => {
  const paper = paperOf({
    questions: [{ question: "Does small reach dense?", variant: "small", against: "dense", tolerance: 0.02 }],
  });
  const said = (small: readonly number[], dense: readonly number[]) =>
    summarizeCard(createPaperCard(paper, [...seeds("small", small), ...seeds("dense", dense)])).at(-1)!;

  test("answers yes if every seed is much lower, with the interval of the paired differences", () => {
    // Differences -0.1, -0.12, -0.14: mean -0.12, s 0.02, half 4.3027 · 0.02 / √3 = 0.0497.
    expect(said([1.5, 1.48, 1.46], [1.6, 1.6, 1.6])).toBe(
      "Does small reach dense? Yes: eval/loss of small 1.4800 ± 0.0497, of dense 1.6000 ± 0.0000; difference −0.1200, 95 % interval −0.1697 to −0.0703 over 3 seeds; larger than the spread of the seeds; up to 0.0200 counts as equal.",
    );
  });

  test("answers no if every seed is higher by more than the tolerance", () => {
    expect(said([1.8, 1.81, 1.82], [1.6, 1.6, 1.6])).toMatch(
      /^Does small reach dense\? No: .*larger than the spread/,
    );
  });

  test("answers yes if higher by less than the tolerance, even if by more than the spread", () => {
    expect(said([1.61, 1.6101, 1.6102], [1.6, 1.6, 1.6])).toMatch(/\? Yes: .*larger than the spread/);
  });

  test("is not decided if a variant has several points and the question does not name one", () => {
    const paper = paperOf({ questions: [{ question: "Well?", variant: "small", against: "dense" }] });
    const points = ["rate 0.5", "rate 0.9"].flatMap((point) => seeds("small", [1, 1.01, 0.99], { point }));
    const [open] = createPaperCard(paper, [...seeds("dense", [1, 1.01, 0.99]), ...points]).answers;
    expect(open!.answer).toBe("not decided");
    expect(open!.reason).toMatch(/small has several points of a sweep/);
  });

  test("is not decided if the seeds differ by more than the models", () => {
    expect(said([1.5, 1.7, 1.9], [1.6, 1.6, 1.6])).toMatch(
      /\? Not decided, the spread of the seeds is wider than the difference: .*; within the spread of the seeds/,
    );
  });

  test("the effect of a seed's batches on both models cancels out", () => {
    expect(said([1.9, 1.5, 1.7], [1.8, 1.4, 1.6])).toMatch(/\? No: /);
  });

  test("is not decided by one seed, or with a variant without a run or a common seed", () => {
    expect(said([1.5], [1.6])).toMatch(
      /Not decided, a single seed has no spread: .*difference −0.1000, of one seed/,
    );
    expect(said([], [1.6])).toBe("Does small reach dense? Not decided, no finished run of small.");
    const apart = [run("small", { loss: 1, seed: 1 }), run("dense", { loss: 1, seed: 2 })];
    expect(summarizeCard(createPaperCard(paper, apart))).toEqual([
      "Does small reach dense? Not decided, small and dense have no seed in common.",
    ]);
  });

  test("counts the verdicts", () => {
    const card = createPaperCard(
      paperOf({ published: [{ variant: "small", quantity: "eval/loss", value: 1, tolerance: 0.1 }] }),
      seeds("small", [1.05], { scale: "tiny" }),
    );
    expect(summarizeCard(card)).toEqual([
      "Of 1 published numbers, 1 are reproduced at scale tiny, 0 are not, and 0 cannot be compared.",
    ]);
  });
});

test("the card shows rows, models with their sweep points, and one sentence per block", () => {
  const paper = paperOf({
    baseline: "dense",
    published: [
      {
        variant: "small",
        quantity: "eval/loss",
        value: 1.6,
        printed: "1.6",
        tolerance: 0.02,
        source: "table 2",
      },
    ],
    questions: [{ question: "Is it?", variant: "small", against: "dense" }],
  });
  const runs = [
    ...seeds("dense", [1.5, 1.5], { size: 200 }),
    ...seeds("small", [1.6, 1.62], { point: "train.learning_rate 0.1" }),
  ];
  const blocks = createCardBlocks(paper, createPaperCard(paper, runs));
  expect(blocks.map(({ kind }) => kind)).toEqual(["table", "table", "text", "text"]);
  const [rows, models] = blocks.flatMap((block) => (block.kind === "table" ? [block] : []));
  expect(rows!.rows).toEqual([
    [
      "small (train.learning_rate 0.1)",
      "eval/loss",
      "1.6000 (1.6)",
      "1.6100 ± 0.1271",
      "+0.0100",
      "reproduced",
      "table 2",
    ],
  ]);
  const [dense, small] = models!.rows.map((row) =>
    Object.fromEntries(models!.columns.map((name, i) => [name, row[i]])),
  );
  expect(dense).toMatchObject({
    variant: "dense",
    "% of baseline": "100.00 %",
    "eval − train": "0.2500 ± 0.0000",
  });
  expect(small).toMatchObject({
    "non-embedding": "100",
    "% of baseline": "50.00 %",
    seeds: "2",
    tokens: "1.00e+3",
  });
});
