import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createEvaluationSections } from "../../../src/backend/report/evaluationSections";
import { renderSvg } from "../../../src/pictures/svg";
import type { ShrinkRun } from "../../../src/statistics/shrinkSeries";
import { temporaryFolder } from "../runs/workbench";

function createRun(variant: string, evaluations: Readonly<Record<number, object>>): ShrinkRun {
  const folder = join(temporaryFolder(), variant);
  for (const [step, results] of Object.entries(evaluations)) {
    mkdirSync(join(folder, `steps/${step}-evaluate`), { recursive: true });
    writeFileSync(join(folder, `steps/${step}-evaluate/eval.json`), JSON.stringify(results));
  }
  return { folder, name: variant, variant, sweep: {}, seed: 0, state: "done", metrics: {} };
}

const section = (title: string, runs: readonly ShrinkRun[]) =>
  createEvaluationSections(runs).find(([each]) => each === title)![1];

const retrieval = (correct: number) => ({
  retrieval: {
    values: {},
    details: {
      cells: [
        { length: 512, depth: 1, correct: 20, samples: 20 },
        { length: 64, depth: 0.5, correct, samples: 20 },
        { length: 512, depth: 0.5, correct: 0, samples: 20 },
      ],
      samples: [],
    },
  },
});

test("a heat map shows the last retrieval of each model, depths down and lengths across", () => {
  const figures = section("Retrieval by depth and length", [
    createRun("full", { 1: retrieval(1), 4: retrieval(13), 5: { counts: { values: {}, details: {} } } }),
    createRun("untested", { 1: { counts: { values: {}, details: {} } } }),
  ]);
  expect(figures.map(({ name }) => name)).toEqual(["retrieval-full"]);
  const { picture, lines } = figures[0]!;
  expect(picture.title).toBe("full: 33 of 60 right");
  expect(lines).toEqual([
    ["length", "depth", "correct", "samples"],
    ["512", "1", "20", "20"],
    ["64", "0.5", "13", "20"],
    ["512", "0.5", "0", "20"],
  ]);
  const at = (text: string) => picture.labels.find((label) => label.text === text)!;
  // 13 of 20 is left of 0 of 20 and above 20 of 20; 64 tokens have no prompt of depth 1.
  expect(at("65 %").x).toBe(at("64").x);
  expect(at("65 %").y).toBe(at("0 %").y);
  expect(at("65 %").x).toBeLessThan(at("0 %").x);
  expect(at("100 %").x).toBe(at("512").x);
  expect(at("100 %").y).toBeGreaterThan(at("0 %").y);
  expect(picture.labels.filter(({ text }) => text.endsWith(" %"))).toHaveLength(3);
  const svg = renderSvg(picture);
  expect(svg).toContain(">tokens of the prompt</text>");
  expect(svg).toContain("<title>depth 0.5, tokens of the prompt 64: 65.0 %, 13 of 20</title>");
  expect(svg).toContain("<title>depth 1, tokens of the prompt 64: not measured</title>");
});

test("a figure shows which heads have each token, with the token under the pointer", () => {
  const layers = [
    [
      [0, 1, 3],
      [0, 2, 3],
    ],
    [[1, 2, 3]],
  ];
  const details = { policy: "h2o", kept: { tokens: ["a", "<b>", "c", "d"], layers } };
  const runs = [createRun("small", { 3: { cache: { details } } }), createRun("none", {})];
  const [figure, ...others] = section("Tokens in the cache", runs);
  expect(others).toEqual([]);
  expect(figure!.name).toBe("kept-small");
  expect(figure!.lines).toEqual([
    ["layer", "head", "positions"],
    ["0", "0", "0 1 3"],
    ["0", "1", "0 2 3"],
    ["1", "0", "1 2 3"],
  ]);
  const { picture } = figure!;
  expect(picture.title).toBe("small: h2o, 3 of 4 tokens in a head");
  // Two runs in each of the heads of layer 0, one in layer 1; a strip with every token below.
  const rows = picture.faces!.filter(({ title }) => title === undefined);
  expect(rows).toHaveLength(5);
  const tokens = picture.faces!.filter(({ title }) => title !== undefined);
  expect(tokens.map(({ title }) => title)).toEqual([
    '"a", position 0: in 2 of 3 heads',
    '"<b>", position 1: in 2 of 3 heads',
    '"c", position 2: in 2 of 3 heads',
    '"d", position 3: in 3 of 3 heads',
  ]);
  // The run of positions 0 and 1 is as wide as two tokens.
  const widthOf = ({ points }: { readonly points: readonly { readonly x: number }[] }) =>
    points[1]!.x - points[0]!.x;
  expect(widthOf(rows[0]!)).toBeCloseTo(2 * widthOf(tokens[0]!), 6);
  expect(renderSvg(picture)).toContain("<title>&quot;&lt;b&gt;&quot;, position 1: in 2 of 3 heads</title>");
});
