/** The rate at which a method breaks, from runs with hand-written measures. */
import { describe, expect, it } from "vitest";
import { groupRuns, type RunFigures } from "../../../src/backend/card/figures";
import { createRateLines, describeRateLine } from "../../../src/backend/card/rates";
import { createSavedTable } from "../../../src/backend/card/savedTable";
import { paperSchema } from "../../../src/schema/paper";

const run = (variant: string, rate: number | undefined, seed: number, accuracy: number): RunFigures => ({
  variant,
  scale: undefined,
  point: rate === undefined ? "" : `compress.irc.rate ${rate}`,
  ...(rate === undefined ? {} : { rate }),
  seed,
  values: { "classification/accuracy": accuracy },
  tokens: 1,
});
const noise = [0.001, -0.001, 0, 0.0005];
const runs = (variant: string, rate: number | undefined, level: number) =>
  noise.map((each, seed) => run(variant, rate, seed, level + each * (rate === undefined ? 1 : -1)));

const paper = paperSchema.parse({
  title: "t",
  baseline: "dense",
  rates: [{ quantity: "classification/accuracy", higher_is_better: true, tolerance: 0.01 }],
});

describe("a rate", () => {
  it("is better, as good, worse or open by the whole interval of the seeds' differences", () => {
    const open = [0.9, 0.99, 0.95, 0.86].map((accuracy, seed) => run("irc", 0.6, seed, accuracy));
    const groups = groupRuns([
      ...runs("dense", undefined, 0.95),
      ...runs("irc", 0.9, 0.9),
      ...runs("irc", 0.25, 0.97),
      ...runs("irc", 0.5, 0.946),
      ...open,
    ]);
    const [line, ...others] = createRateLines(paper, groups);
    expect(others).toEqual([]);
    expect(line!.points.map(({ rate, verdict }) => [rate, verdict])).toEqual([
      [0.25, "better"],
      [0.5, "as good"],
      [0.6, "not decided"],
      [0.9, "worse"],
    ]);
    expect(line!.points[3]!.difference.mean).toBeCloseTo(-0.05, 2);
    expect(describeRateLine(line!)).toBe(
      "irc against dense, classification/accuracy (higher is better, 0.01 counts as equal): better at 0.25; as good at 0.5; worse at 0.9; not decided at 0.6. It breaks at 0.9.",
    );
  });

  it("reverses the comparison where lower is better, and reports that nothing broke", () => {
    const lower = paperSchema.parse({
      ...paper,
      rates: [{ quantity: "classification/accuracy", higher_is_better: false }],
    });
    const groups = groupRuns([...runs("dense", undefined, 0.95), ...runs("irc", 0.5, 0.9)]);
    const [line] = createRateLines(lower, groups);
    expect(line!.points[0]!.verdict).toBe("better");
    expect(describeRateLine(line!)).toMatch(/No rate up to 0\.5 is found to break it\.$/);
  });

  it("is missing without a baseline, without rates, or without a common seed", () => {
    expect(createRateLines(paper, groupRuns(runs("irc", 0.5, 0.9)))).toEqual([]);
    expect(createRateLines(paper, groupRuns(runs("dense", undefined, 0.9)))).toEqual([]);
    const other = runs("irc", 0.5, 0.9).map((each) => ({ ...each, seed: each.seed + 10 }));
    expect(createRateLines(paper, groupRuns([...runs("dense", undefined, 0.95), ...other]))).toEqual([]);
  });
});

it("shows the actual savings in one table, each reason once", () => {
  const measured = (variant: string, time: readonly number[]) =>
    time.map((percent, seed): RunFigures => ({
      ...run(variant, undefined, seed, 1),
      values: {
        "savings/stored_scalars_percent": 50,
        "savings/stored_bits_percent": 53.125,
        "savings/file_bytes_percent": 103,
        "savings/packed_file_bytes_percent": 53.2,
        "savings/memory_bytes_percent": 100,
        "savings/time_percent": percent,
      },
      remarks: ["Masked: its zeros are held like any other number."],
    }));
  const blocks = createSavedTable(groupRuns([...measured("fpp", [100, 104]), ...measured("gmp", [99, 99])]));
  const [table, ...texts] = blocks;
  expect(table?.kind === "table" && table.rows).toEqual([
    ["fpp", "50.00 %", "53.13 %", "103.00 %", "53.20 %", "100.00 %", "102.00 ± 25.4 %"],
    ["gmp", "50.00 %", "53.13 %", "103.00 %", "53.20 %", "100.00 %", "99.00 %"],
  ]);
  expect(texts).toHaveLength(1);
  expect(createSavedTable(groupRuns(runs("dense", undefined, 1)))).toEqual([]);
});
