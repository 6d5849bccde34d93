/**
 * Compares methods with dense models of the same number of stored bits, using runs with hand-written sizes and
 * measures.
 */
import { describe, expect, it } from "vitest";
import { compareAtEqualSize, describeSizedComparison } from "../../../src/backend/card/equalSize";
import { groupRuns, type RunFigures } from "../../../src/backend/card/figures";
import { createCardBlocks, createPaperCard } from "../../../src/backend/card/paperCard";
import { decideOutcome } from "../../../src/backend/card/outcome";
import { paperSchema } from "../../../src/schema/paper";

const seeds = [0, 1, 2];
/** Effect of a seed that is the same for every model and has to cancel out. */
const luck = [0.3, -0.2, 0.05];
const noise = [0.002, -0.002, 0.001];

const runs = (variant: string, point: string, bits: number, loss: number): RunFigures[] =>
  seeds.map((seed) => ({
    variant,
    scale: undefined,
    point,
    seed,
    tokens: 1,
    values: { "parameters/bits": bits, "perplexity/loss": loss + luck[seed]! + noise[seed]! },
  }));
/** The loss is 2 at 1,000 bits and drops by 1 for each factor of ten. */
const dense = [
  ...runs("dense", "", 100_000, 0),
  ...runs("smaller", "model.n_embd 8", 1_000, 2),
  ...runs("smaller", "model.n_embd 16", 10_000, 1),
];
const paper = paperSchema.parse({
  title: "t",
  baseline: "dense",
  controls: [{ variant: "smaller", quantity: "perplexity/loss", tolerance: 0.05 }],
});
const shifted = (given: readonly RunFigures[]) =>
  given.map((run) => ({
    ...run,
    values: {
      ...run.values,
      "perplexity/loss": run.values["perplexity/loss"]! - 2 * noise[run.seed]!,
    },
  }));

describe("a comparison at equal size", () => {
  // √10 times the bits is the middle of a decade.
  const middle = 1_000 * Math.sqrt(10);
  const groups = groupRuns([
    ...dense,
    ...shifted(runs("good", "compress.good.rate 0.9", middle, 1.2)),
    ...shifted(runs("equal", "compress.equal.rate 0.5", 10_000, 1.02)),
    ...shifted(runs("bad", "compress.bad.rate 0.5", 10_000, 1.4)),
    ...runs("tiny", "", 10, 3),
    ...runs("huge", "", 1e6, 0),
  ]);
  const [found] = compareAtEqualSize(paper, groups);

  it("compares each point with the line between two controls over the logarithm of the bits", () => {
    expect(found!.points.map(({ variant, standing }) => [variant, standing])).toEqual([
      ["good", "better"],
      ["equal", "as good"],
      ["bad", "worse"],
    ]);
    const [good] = found!.points;
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(good!.control.mean).toBeCloseTo(1.5 + mean(luck) + mean(noise), 12);
    expect(good!.difference.mean).toBeCloseTo(-0.3 - 2 * mean(noise), 12);
    // The effect of the seed, a hundred times the noise, has cancelled out.
    expect(good!.difference.half!).toBeLessThan(0.02);
  });

  it("reports the points that have no control of their size, but not the controls themselves", () => {
    expect(found!.outside).toEqual(["tiny", "huge"]);
    expect(found!.points.some(({ variant }) => ["dense", "smaller"].includes(variant))).toBe(false);
  });

  it("is a table with sentences in the card", () => {
    const all = groups.flatMap((group) => group.runs);
    const blocks = createCardBlocks(paper, createPaperCard(paper, all));
    const table = blocks.find((block) => block.kind === "table" && /stored bits/.test(block.title ?? ""));
    expect(table?.kind === "table" && table.rows.map((row) => row[0])).toEqual([
      "good (compress.good.rate 0.9)",
      "equal (compress.equal.rate 0.5)",
      "bad (compress.bad.rate 0.5)",
    ]);
    expect(describeSizedComparison(found!)).toEqual([
      expect.stringMatching(
        /^3 points of methods are compared .* by perplexity\/loss \(lower is better, 0\.05 counts as equal\)/,
      ),
      "Better than dense models of as many bits (1): good (compress.good.rate 0.9).",
      "As good (1): equal (compress.equal.rate 0.5).",
      "Worse (1): bad (compress.bad.rate 0.5).",
      "There is no control of the size of tiny, huge.",
    ]);
  });

  it("reports that no point is better, and is empty without controls", () => {
    const [worse] = compareAtEqualSize(
      paper,
      groupRuns([...dense, ...shifted(runs("bad", "", 10_000, 1.4))]),
    );
    expect(describeSizedComparison(worse!)[1]).toBe("No point is better than a dense model of as many bits.");
    expect(compareAtEqualSize(paper, groupRuns(runs("bad", "", 10_000, 1.4)))).toEqual([]);
    expect(compareAtEqualSize({ controls: [], baseline: "dense" }, groups)).toEqual([]);
  });
});

describe("a ranking", () => {
  const up = { quantity: "classification/accuracy", higher_is_better: true, tolerance: 0.1 };
  it.each([
    [{ mean: 0.3, half: 0.2, count: 3 }, up, "better"],
    [{ mean: -0.05, half: 0.04, count: 3 }, up, "as good"],
    [{ mean: -0.5, half: 0.3, count: 3 }, up, "worse"],
    [{ mean: -0.1, half: 0.3, count: 3 }, up, "not decided"],
    [{ mean: 0.3, count: 1 }, up, "not decided"],
    [{ mean: 0.3, half: 0.1, count: 3 }, { ...up, higher_is_better: false }, "worse"],
  ] as const)("of %j is decided by the whole interval (%j)", (difference, direction, expected) => {
    expect(decideOutcome(difference, direction)).toBe(expected);
  });
});
