import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createMeasuredFigures } from "../../../src/backend/report/evaluationFigures";
import { createEvaluationSections } from "../../../src/backend/report/evaluationSections";
import { createStackedBarsPicture } from "../../../src/pictures/stackedBarsPicture";
import { renderSvg } from "../../../src/pictures/svg";
import { paperTheme } from "../../../src/pictures/theme";
import type { ShrinkRun } from "../../../src/statistics/shrinkSeries";
import { temporaryFolder } from "../runs/workbench";

function createRun(variant: string, results: object, seed = 0): ShrinkRun {
  const folder = join(temporaryFolder(), `${variant}-${seed}`);
  mkdirSync(join(folder, "steps/3-evaluate"), { recursive: true });
  writeFileSync(join(folder, "steps/3-evaluate/eval.json"), JSON.stringify(results));
  return { folder, name: variant, variant, sweep: {}, seed, state: "done", metrics: {} };
}

const section = (title: string, runs: readonly ShrinkRun[]) =>
  createEvaluationSections(runs).find(([each]) => each === title)![1];

const exits = (...thresholds: readonly object[]) => ({ exits: { values: {}, details: { thresholds } } });

test("a bar for each threshold shows the share of tokens that left after each number of layers", () => {
  const runs = [
    createRun(
      "deep",
      exits(
        { threshold: 0.5, layers: [1, 3, 6], shares: [0.5, 0.2, 0.3] },
        { threshold: 2, layers: [1, 3, 6], shares: [0, 0, 1] },
      ),
    ),
    // Another seed of the same line is left out.
    createRun("deep", exits({ threshold: 0.5, layers: [1, 3, 6], shares: [1, 0, 0] }), 1),
    createRun("shallow", {
      ...exits({ threshold: 0.9, layers: [2, 4], shares: [0.25, 0.75] }),
      generate: { details: { exits: { layers: [2, 4], shares: [0.9, 0.1], drafted: 0 } } },
    }),
    // A draft is not an exit, and other metrics have none.
    createRun("drafts", {
      generate: { details: { exits: { layers: [2, 4], shares: [0.9, 0.1], drafted: 7 } } },
    }),
    createRun("none", { counts: { details: {} } }),
  ];
  const figures = section("Where tokens leave", runs);
  expect(figures.map(({ name }) => name)).toEqual(["exit-shares"]);
  const { picture, lines } = figures[0]!;
  const parts = ["1 layer", "2 layers", "3 layers", "all layers"];
  const bars = {
    "deep, threshold 0.5": [0.5, 0, 0.2, 0.3],
    "deep, threshold 2": [0, 0, 0, 1],
    shallow: [0, 0.25, 0, 0.75],
  };
  expect(lines).toEqual([
    ["model", "left after", "share of tokens"],
    ...Object.entries(bars).flatMap(([name, shares]) =>
      shares.map((share, i) => [name, parts[i]!, String(share)]),
    ),
  ]);
  // Each part is as wide as its share, and begins where the one before it ends.
  const { left, right } = picture.area;
  const drawn = picture.faces!.filter(({ title }) => title !== undefined);
  for (const [name, shares] of Object.entries(bars)) {
    let sum = 0;
    for (const [i, share] of shares.entries()) {
      const title = `${name}: ${parts[i]!}, ${(100 * share).toFixed(1)} %`;
      const face = drawn.find((each) => each.title === title);
      if (share === 0) expect(face).toBeUndefined();
      else {
        expect((face!.points[0]!.x - left) / (right - left)).toBeCloseTo(sum, 9);
        expect((face!.points[1]!.x - face!.points[0]!.x) / (right - left)).toBeCloseTo(share, 9);
      }
      sum += share;
    }
  }
  expect(drawn).toHaveLength(6);
  const texts = picture.labels.map(({ text }) => text);
  expect(texts).toEqual(expect.arrayContaining([...parts, ...Object.keys(bars), "50 %", "75 %"]));
  expect(renderSvg(picture)).toContain("<title>shallow: 2 layers, 25.0 %</title>");
  const [generated, ...others] = section("Where generated tokens leave", runs);
  expect(others).toEqual([]);
  expect(generated!.lines.slice(1)).toEqual([
    ["shallow", "2 layers", "0.9"],
    ["shallow", "all layers", "0.1"],
  ]);
});

test("no figure is drawn where no run has exits", () => {
  expect(section("Where tokens leave", [createRun("none", { counts: { details: {} } })])).toEqual([]);
});

test("a cell shows the bars of its own run, which are read part by part", () => {
  const details = {
    thresholds: [
      { threshold: 0.5, layers: [1, 3], shares: [0.6, 0.4] },
      { threshold: 2, layers: [1, 3], shares: [0, 1] },
    ],
  };
  const data = {
    kind: "stackedBars",
    parts: ["1 layer", "all layers"],
    rows: [
      { name: "threshold 0.5", shares: [0.6, 0.4] },
      { name: "threshold 2", shares: [0, 1] },
    ],
  } as const;
  expect(createMeasuredFigures("exits", details)).toEqual([
    { kind: "figure", title: "Where tokens leave", caption: "Share of tokens by the number of layers", data },
  ]);
  const { readings } = createStackedBarsPicture(data, { title: "t", theme: paperTheme, width: 318 });
  // A third of the picture is for names, and 18 pixels for half of the last number.
  const left = 318 / 3;
  const whole = 300 - left;
  expect(readings!.x.map((row) => row.map((x) => (x - left) / whole))).toEqual([
    [0, expect.closeTo(0.6, 9), expect.closeTo(1, 9)],
    [0, 0, expect.closeTo(1, 9)],
  ]);
  expect(readings!.y).toHaveLength(3);
  expect(readings!.describe(1, 0)).toBe("threshold 2: 1 layer, 0.0 %");
});

test("parts get stronger on either ground, and their numbers stay legible", () => {
  const luminances = (ground: "light" | "dark") => {
    const theme = { ...paperTheme, ground };
    const rows = [{ name: "a", shares: [0.3, 0.3, 0.4] }];
    const { faces, labels } = createStackedBarsPicture(
      { kind: "stackedBars", parts: ["1", "2", "all"], rows },
      { title: "t", theme, width: 700 },
    );
    expect(
      labels
        .filter(({ text }) => ["30 %", "40 %"].includes(text))
        .every(({ color }) => ["#000000", "#ffffff"].includes(color)),
    ).toBe(true);
    return faces!
      .filter(({ title }) => title !== undefined)
      .map(({ color }) => [1, 3, 5].reduce((sum, at) => sum + parseInt(color.slice(at, at + 2), 16), 0));
  };
  const [light, dark] = [luminances("light"), luminances("dark")];
  expect(light).toEqual([...light].sort((a, b) => b - a));
  expect(dark).toEqual([...dark].sort((a, b) => a - b));
  expect(new Set([...light, ...dark]).size).toBe(6);
});
