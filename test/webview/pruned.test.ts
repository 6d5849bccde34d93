/** Runs that a search ended: shown as such in the table, the charts and the cell, and never as finished results. */
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { decideBracket } from "../../src/backend/runs/halving/bracket";
import type { HalvingPlan } from "../../src/protocol/run";
import { WrittenRun } from "./sampleRuns";
import { usePages, useWorkspace } from "./usePages";

const losses = [3.2125, 2.5, 2.953, 3.5];

const halving = (candidate: number): HalvingPlan => ({
  bracket: "b-1",
  candidate,
  candidates: losses.length,
  metric: "eval/loss",
  factor: 2,
  rungs: [
    { runs: 4, steps: 80 },
    { runs: 2, steps: 160 },
  ],
});

describe("pruned runs", () => {
  const workspace = useWorkspace();
  const runs: WrittenRun[] = [];
  const pages = usePages(workspace, async () => {
    for (const [candidate, loss] of losses.entries()) {
      const run = await WrittenRun.write(workspace, {
        name: `search-lr${candidate + 1}e-3`,
        sweep: { "train.learning_rate": (candidate + 1) / 1000 },
        floor: loss,
        seed: candidate + 1,
        steps: 80,
      });
      const { plan } = run.folder.record;
      run.folder.update({
        state: "held",
        process: undefined,
        plan: { ...plan, halving: halving(candidate) },
        halving: { rung: 0, values: [loss] },
        progress: { step: 80, steps: 160, action: "train" },
        losses: {
          "eval/loss": {
            data: "tales.txt",
            split: "validation",
            hash: "aa".repeat(32),
            tokens: 65_536,
            method: "mean over tokens",
          },
        },
      });
      runs.push(run);
    }
    await decideBracket({ id: "b-1", plan: halving(0), runsFolder: dirname(runs[0]!.path) });
  });

  it("are found by their state in the table, which has no mean of them and others", async () => {
    const page = await pages.harness.panel("runs", {}, { width: 1500, height: 600 });
    const { page: window } = page;
    await expect.poll(() => window.locator(".state.pruned").count()).toBe(2);
    expect(await window.locator(".cell:has(> .state.pruned)").first().getAttribute("title")).toMatch(
      /^pruned at step 80 of 160: eval loss 3\.[25]\d*, rung needed ≤ 2\.953$/,
    );
    await page.screenshot("pruned-table");
    await window.getByLabel("Group by").selectOption("Experiment");
    await expect.poll(() => window.locator(".row.group").count()).toBe(1);
    expect(await window.locator(".row.group").innerText()).toContain("not comparable");
    await window.getByLabel("Group by").selectOption("No groups");
    await window.getByRole("textbox", { name: "Filter the runs" }).fill("state:pruned");
    await expect.poll(() => window.locator(".body > .row").count()).toBe(2);
    expect(await page.violations()).toEqual([]);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("are named in the legend and the list of charts", async () => {
    const page = await pages.harness.panel("charts", { runs: runs.map(({ path }) => path) }, { width: 1300 });
    const { page: window } = page;
    const entries = window.locator(".legend").first().locator(".entry", { hasText: "pruned" });
    await expect.poll(() => entries.count()).toBe(2);
    expect(await entries.first().getAttribute("title")).toContain("rung needed ≤ 2.953");
    await expect.poll(() => window.locator(".choices .state.pruned").count()).toBe(2);
    await page.screenshot("pruned-charts");
    // The names of the runs are readable in a narrow window, too.
    await window.setViewportSize({ width: 600, height: 700 });
    for (const name of await window.locator(".choices .entry-row .name").all())
      await expect.poll(async () => (await name.boundingBox())!.width).toBeGreaterThan(60);
    await page.screenshot("pruned-charts-narrow");
    expect(await page.violations()).toEqual([]);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("have their reason below a cell", async () => {
    const { runs: summaries } = await pages.harness.backend.request("runs.list", {});
    const page = await pages.harness.renderer({ width: 900 });
    await page.showOutput("cell", {
      version: 1,
      runs: summaries.map((summary) => ({
        summary,
        steps: [{ index: 0, action: "train", state: "waiting" as const, blocks: [] }],
        stale: false,
      })),
      series: [],
    });
    const rows = page.page.locator("table.runs tbody tr", { hasText: "80 of 160, rung needed ≤ 2.953" });
    await expect.poll(() => rows.count()).toBe(2);
    expect(await rows.first().locator("button").count()).toBe(0);
    expect(await rows.first().locator(".words").getAttribute("title")).toContain(
      "pruned at step 80 of 160: eval loss",
    );
    await page.screenshot("pruned-cell");
    await page.close();
  });
});
