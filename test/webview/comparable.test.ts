/** Losses that were measured on different text or in different ways: marked beside the value, and never put together. */
import { describe, expect, it } from "vitest";
import type { LossProtocol } from "../../src/protocol/lossProtocol";
import { WrittenRun } from "./sampleRuns";
import { usePages, useWorkspace } from "./usePages";

const whole: LossProtocol = {
  data: "tales.txt",
  split: "validation",
  hash: "aa".repeat(32),
  tokens: 65_536,
  method: "sequences of 128, mean over tokens",
};
const part: LossProtocol = { ...whole, hash: "bb".repeat(32), tokens: 8192 };

describe("losses of different protocols", () => {
  const workspace = useWorkspace();
  const runs: WrittenRun[] = [];
  const pages = usePages(workspace, async () => {
    for (const [name, variant, floor, protocol] of [
      ["dense-1", "dense", 2, whole],
      ["dense-2", "dense", 2.2, part],
      ["narrow-1", "narrow", 1.8, part],
      ["narrow-2", "narrow", 2.6, part],
    ] as const)
      runs.push(
        await WrittenRun.write(workspace, {
          name,
          variant,
          floor,
          seed: runs.length + 1,
          steps: 80,
          record: { losses: { "eval/loss": protocol } },
        }),
      );
  });

  it("have letters in the table, are sorted apart, and have neither a mean nor a difference", async () => {
    pages.harness.looks.setBaseline(runs[0]!.path);
    const page = await pages.harness.panel("runs", {}, { width: 1500, height: 700 });
    const { page: window } = page;
    await window.getByText("eval/loss: compare only equal letters").waitFor();
    const names = () => window.locator(".body > .row .cell.name .name").allInnerTexts();
    const readNames = async () =>
      (await names()).map((each) => runs.findIndex(({ folder }) => each.includes(folder.record.plan.name)));
    const cells = async (title: string) => {
      const at = await window
        .getByRole("columnheader", { name: title, exact: true })
        .getAttribute("data-column");
      return window.locator(`.body > .row [data-column="${at}"]`);
    };
    await window.getByRole("columnheader", { name: "eval/loss", exact: true }).click();
    // The lowest, narrow-1, is not above dense-1, which was measured on all of the text.
    await expect.poll(readNames).toEqual([0, 2, 1, 3]);
    const losses = await cells("eval/loss");
    expect((await losses.locator(".protocol").allInnerTexts()).map((each) => each.trim())).toEqual([
      "A",
      "B",
      "B",
      "B",
    ]);
    expect(await losses.nth(1).getAttribute("title")).toContain(
      "Not comparable with A: 8,192 tokens instead of 65,536 tokens",
    );
    const differences = await cells("eval/loss − baseline");
    expect((await differences.allInnerTexts()).map((each) => each.trim())).toEqual([
      "0",
      "not comparable",
      "not comparable",
      "not comparable",
    ]);
    await page.screenshot("protocols-table");
    await window.getByLabel("Group by").selectOption("Variant");
    await expect.poll(() => window.locator(".row.group").count()).toBe(2);
    const groups = window.locator(".row.group");
    expect(await groups.filter({ hasText: "dense" }).innerText()).toContain("not comparable");
    expect(await groups.filter({ hasText: "narrow" }).innerText()).toMatch(/± /);
    await window.keyboard.press("Escape");
    // Side by side, too.
    await window.getByLabel("Group by").selectOption("No groups");
    await window.locator(".body > .row .cell.name").nth(0).click();
    await window
      .locator(".body > .row .cell.name")
      .nth(1)
      .click({ modifiers: ["Control"] });
    await window.getByRole("button", { name: "Compare" }).click();
    const line = window.locator(".comparison tr", { hasText: "eval/loss last" });
    await expect.poll(() => line.innerText()).toContain("not comparable");
    expect(await line.locator(".protocol").allInnerTexts()).toEqual(["A", "B"]);
    // Where a filter leaves only one kind, there is nothing to mark.
    await window.getByRole("textbox", { name: "Filter the runs" }).fill("narrow");
    await expect.poll(() => window.locator(".grid .protocol").count()).toBe(0);
    expect(await page.violations()).toEqual([]);
    expect(page.faults).toEqual([]);
    pages.harness.looks.setBaseline(undefined);
    await page.close();
  });

  it("have letters in charts, no mean and no difference between them", async () => {
    pages.harness.looks.setBaseline(runs[1]!.path);
    const page = await pages.harness.panel("charts", { runs: runs.map(({ path }) => path) }, { width: 1300 });
    const { page: window } = page;
    const marks = window.locator(".legend .protocol");
    await expect.poll(() => marks.allInnerTexts()).toEqual(["A", "B", "B", "B"]);
    expect(await window.locator(".board .note").allInnerTexts()).toEqual([
      expect.stringMatching(/^eval\/loss was measured in 2 ways that are not comparable\. A: 65,536 tokens/),
    ]);
    const plot = (await window.locator(".plot").first().boundingBox())!;
    await window.mouse.move(plot.x + plot.width * 0.6, plot.y + plot.height * 0.6);
    await expect.poll(() => window.locator(".reading .protocol").count()).toBe(4);
    await page.screenshot("protocols-charts");
    await window.getByRole("button", { name: "− baseline" }).click();
    await window
      .getByText("Not comparable with it, because measured differently: dense-1 (eval/loss).")
      .waitFor();
    const lines = () => window.locator("section.chart tbody tr").allInnerTexts();
    expect((await lines()).filter((line) => line.includes("eval/loss"))).toHaveLength(3);
    expect((await lines()).filter((line) => line.includes("train/loss"))).toHaveLength(4);
    await window.getByRole("button", { name: "− baseline" }).click();
    await window.getByLabel("Group by").selectOption("Variant");
    await window
      .getByText(
        "The runs of dense (2) have no mean, because their eval/loss was not measured in the same way.",
      )
      .waitFor();
    await page.screenshot("protocols-charts-grouped");
    expect(await page.violations()).toEqual([]);
    expect(page.faults).toEqual([]);
    pages.harness.looks.setBaseline(undefined);
    await page.close();
  });

  it("have letters below a cell", async () => {
    const { runs: summaries } = await pages.harness.backend.request("runs.list", {});
    const page = await pages.harness.renderer({ width: 900 });
    await page.showOutput("cell", {
      version: 1,
      runs: summaries.map((summary) => ({
        summary,
        steps: [{ index: 0, action: "train", state: "done" as const, blocks: [] }],
        stale: false,
      })),
      series: [],
    });
    const first = page.page.locator("table.runs tbody tr");
    await expect.poll(() => first.count()).toBe(4);
    expect((await first.locator("td.number .protocol").allInnerTexts()).sort()).toEqual(
      Array.from("AABBBBBB"),
    );
    await page.page
      .locator("p.note")
      .filter({ hasText: /^\s*eval\/loss was measured in 2 ways/ })
      .first()
      .waitFor();
    await page.screenshot("protocols-cell");
    expect(page.faults).toEqual([]);
    await page.close();
  });
});
