import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createRetrievalFigures } from "../../../src/backend/report/retrievalFigures";
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
  const figures = createRetrievalFigures([
    createRun("full", { 1: retrieval(1), 4: retrieval(13), 5: { counts: { values: {}, details: {} } } }),
    createRun("untested", { 1: { counts: { values: {}, details: {} } } }),
  ]);
  expect(figures.map(({ name }) => name)).toEqual(["retrieval-full"]);
  const { picture, lines } = figures[0]!;
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
  expect(renderSvg(picture)).toContain(">tokens of the prompt</text>");
});
