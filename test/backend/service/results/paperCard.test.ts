/** Papers in the protocol: the card of several runs, and the published curves of each. */
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RunFolder } from "../../../../src/backend/runs/folder/runFolder";
import { getWorkspaceRunsFolder } from "../../../../src/backend/runs/folder/runLocation";
import type { RunPlan } from "../../../../src/protocol/run";
import { Window } from "../window";

const paper = {
  title: "A paper",
  scale: "full",
  baseline: "dense",
  published: [{ variant: "small", quantity: "eval/loss", value: 1.6, tolerance: 0.05 }],
  questions: [{ question: "As good?", variant: "small", against: "dense" }],
  series: [{ name: "old", first_step: 10, step_interval: 5, tokens_per_step: 4, values: [3, 2] }],
};

function planOf(variant: string, seed: number, scale: string): RunPlan {
  return {
    experiment: "card.lathe.md",
    name: `${variant}-${seed}`,
    folder: ".",
    variant,
    scale,
    sweep: { seed },
    seed,
    device: "cpu",
    data: undefined,
    model: undefined,
    baseModel: undefined,
    paper,
    steps: [{ index: 0, action: "report", options: {}, key: "k" }],
  };
}

async function written(window: Window, plan: RunPlan, loss: number): Promise<string> {
  const summary = { "eval/loss": { last: loss, min: loss, max: loss } };
  const folder = RunFolder.create(getWorkspaceRunsFolder(window.workspace), plan, { state: "done", summary });
  const line = (step: number, value: number) =>
    JSON.stringify({ step, tokens: 8 * step, seconds: step, "train/loss": value });
  // The last tenth of twenty steps is two steps.
  const lines = Array.from({ length: 20 }, (_, i) =>
    line(i + 1, i === 18 ? loss - 0.2 : i === 19 ? loss - 0.4 : 9),
  );
  appendFileSync(join(folder.path, "metrics.jsonl"), `${lines.join("\n")}\n`);
  mkdirSync(folder.stepFolder(0, "report"), { recursive: true });
  writeFileSync(join(folder.stepFolder(0, "report"), "report.md"), "# One run\n");
  writeFileSync(
    join(folder.stepFolder(0, "report"), "done.json"),
    JSON.stringify({ key: "k", from: 0, step: 20, tokens: 160, lines: [0, 20] }),
  );
  await window.service.runs.rescan();
  return folder.path;
}

test("the card of runs compares them with their paper; runs without a paper have no card", async () => {
  const window = await new Window().open();
  const runs: string[] = [];
  for (const [variant, losses] of [
    ["dense", [1.5, 1.52]],
    ["small", [1.6, 1.62]],
  ] as const)
    for (const [seed, loss] of losses.entries())
      runs.push(await written(window, planOf(variant, seed, "full"), loss));
  const { blocks } = await window.ask("runs.card", { runs });
  const [rows, models, , answer] = blocks;
  expect(rows).toMatchObject({
    rows: [["small", "eval/loss", "1.6000", "1.6100 ± 0.1271", "+0.0100", "reproduced", null]],
  });
  // The training loss is the mean over the last tenth of the steps.
  expect(models).toMatchObject({ kind: "table" });
  expect(JSON.stringify(models)).toContain("1.3100 ± 0.1271");
  expect(answer).toMatchObject({ kind: "text", text: expect.stringMatching(/^As good\? No: /) as string });
  expect(await window.ask("runs.card", { runs: [await window.run()] })).toEqual({ blocks: [] });

  // The card is shown under the cell, with a link to the page of each run.
  const { steps } = await window.ask("runs.results", { run: runs[0]! });
  expect(steps[0]!.blocks).toMatchObject([{ kind: "file", label: "report.md" }]);
});

test("a run includes the published curves, with their scale if it differs", async () => {
  const window = await new Window().open();
  await written(window, planOf("dense", 0, "full"), 1.5);
  await written(window, planOf("dense", 1, "tiny"), 1.5);
  const { runs } = await window.ask("runs.list", {});
  const series = {
    name: "old",
    metric: "eval/loss",
    firstStep: 10,
    stepInterval: 5,
    tokensPerStep: 4,
    values: [3, 2],
  };
  const bySeed = new Map(runs.map(({ seed, references }) => [seed, references]));
  expect(bySeed.get(0)).toEqual([series]);
  expect(bySeed.get(1)).toEqual([{ ...series, otherScale: "full" }]);
});

test("an invalid paper does not affect the other results of its run", async () => {
  const window = await new Window().open();
  const plan = {
    ...planOf("dense", 0, "full"),
    paper: { title: "x", series: [{ name: "old", values: ["high"] }] },
  };
  const run = await written(window, plan, 1.5);
  const { runs } = await window.ask("runs.list", {});
  expect(runs.map(({ folder, references }) => [folder, references])).toEqual([[run, undefined]]);
  expect(await window.ask("runs.card", { runs: [run] })).toEqual({ blocks: [] });
});
