/** Thirty runs, ten variants with three seeds each: distinguished in the table and in charts, in groups, and against a baseline. */
import { describe, expect, it } from "vitest";
import { type PageOptions, type TestPage } from "./pageHarness";
import { findOverlaps } from "./overlaps";
import { WrittenRun } from "./sampleRuns";
import type { ThemeName } from "./themes";
import { usePages, useWorkspace } from "./usePages";

const variants = Array.from(
  { length: 10 },
  (_, i) => `grouped-projections-of-attention-heads-${(i + 1) * 4}`,
);
const experiment = "a-rather-long-name-of-an-experiment.lathe.md";

describe("thirty runs", () => {
  const workspace = useWorkspace();
  const runs: WrittenRun[] = [];
  const pages = usePages(workspace, async () => {
    for (const [i, variant] of variants.entries())
      for (const seed of [1, 2, 3])
        runs.push(
          await WrittenRun.write(workspace, {
            name: `${experiment.replace(".lathe.md", "")}-${variant}-seed${seed}`,
            experiment,
            variant,
            seed: i * 3 + seed,
            sweep: { seed },
            floor: 1.5 + i * 0.1,
          }),
        );
  });

  const folders = () => runs.map(({ path }) => path);
  const openCharts = async (options: PageOptions = {}) => {
    const page = await pages.harness.panel(
      "charts",
      { runs: folders() },
      { width: 1400, height: 900, ...options },
    );
    await page.page.locator(".board .legend .entry").nth(10).waitFor();
    return page;
  };
  const openRuns = async (options: PageOptions = {}) => {
    const page = await pages.harness.panel("runs", {}, { width: 1400, height: 900, ...options });
    await page.page.locator(".row .sample").first().waitFor();
    return page;
  };
  /** The rows of the table behind the first chart. */
  const lines = (page: TestPage) =>
    page.page.locator("section.chart").first().locator("tbody tr").allInnerTexts();

  it("have one color and mark in the table and in charts, over a reload too", async () => {
    const [charts, table] = [await openCharts(), await openRuns()];
    const marks = (page: TestPage, selector: string) =>
      page.page.evaluate<[string, string][]>(
        `[...document.querySelectorAll(${JSON.stringify(selector)})].map((entry) => [entry.querySelector(".name").textContent.trim(), entry.querySelector(".sample").innerHTML])`,
      );
    const legend = new Map(await marks(charts, ".board .chart:first-of-type .legend .entry[title]"));
    expect(legend.size).toBe(30);
    // No two look alike.
    expect(new Set(legend.values()).size).toBe(30);
    await expect.poll(() => table.page.locator(".row .sample").count()).toBeGreaterThan(20);
    const rows = await marks(table, ".body > .row");
    for (const [name, mark] of rows) expect([name, legend.get(name)]).toEqual([name, mark]);
    await charts.reload();
    await charts.page.locator(".board .legend .entry").nth(30).waitFor();
    expect(new Map(await marks(charts, ".board .chart:first-of-type .legend .entry[title]"))).toEqual(legend);
    await charts.close();
    await table.close();
  });

  it("are listed by variant with their seeds, without the experiment's name, and end in what differs", async () => {
    const page = await openCharts();
    const list = page.page.getByRole("list", { name: "Runs", exact: true });
    await expect.poll(() => list.locator("> li").count()).toBe(10);
    const first = list.locator("> li").first();
    const box = first.getByRole("checkbox").first();
    expect(await first.locator(".name").first().getAttribute("data-end")).toBe("-heads-40");
    await first.getByRole("button", { name: /^Runs of/ }).click();
    await first.getByRole("checkbox", { name: /seed/ }).first().uncheck();
    await expect
      .poll(() => box.evaluate((each) => (each as never as { indeterminate: boolean }).indeterminate))
      .toBe(true);
    expect(await first.locator(".state").first().innerText()).toBe("2 of 3 runs");
    await box.click();
    await expect.poll(() => page.page.locator(".side-head .muted").first().innerText()).toBe("30 runs shown");
    await page.page.getByRole("button", { name: "None" }).click();
    await expect.poll(() => box.isChecked()).toBe(false);
    await page.close();
  });

  it("become means with a band by variant, and differences to a baseline, over any metric", async () => {
    const page = await openCharts();
    await page.page.getByLabel("Group by").selectOption("Variant");
    await expect.poll(() => lines(page)).toHaveLength(20);
    expect((await lines(page)).filter((line) => line.includes("heads-4 (3)"))).toHaveLength(2);
    await page.screenshot("many-charts-grouped");
    await page.page.getByLabel("Band").selectOption("each run");
    await page.screenshot("many-charts-thin");
    await page.page.getByLabel("Band").selectOption("95 % of the mean");
    const list = page.page.getByRole("list", { name: "Runs", exact: true });
    const last = list.locator("> li").last();
    await last.getByRole("button", { name: /^Runs of/ }).click();
    await last
      .getByRole("button", { name: /^Baseline: seed/ })
      .first()
      .click();
    await page.page.getByRole("button", { name: "− baseline" }).click();
    await page.page
      .getByText(/^Differences to/)
      .first()
      .waitFor();
    // The baseline's own variant is a line at zero.
    await expect
      .poll(async () => (await lines(page)).find((line) => line.includes("heads-4 (3)")))
      .toMatch(/\b0\b.*\b0\b/);
    await page.screenshot("many-charts-relative");
    await page.page.getByRole("button", { name: "− baseline" }).click();
    await page.page.getByLabel("Axis", { exact: true }).selectOption("train/grad_norm");
    await expect.poll(() => lines(page)).toHaveLength(20);
    await page.page.getByLabel("Axis", { exact: true }).selectOption("train/loss");
    await expect.poll(() => lines(page)).toHaveLength(10);
    await page.page.getByRole("button", { name: "no outliers" }).click();
    await page.page.getByLabel("y to", { exact: true }).fill("4");
    await page.page.getByLabel("y to", { exact: true }).press("Enter");
    await page.screenshot("many-charts-over-loss");
    expect(page.faults).toEqual([]);
    expect(await page.violations()).toEqual([]);
    // The table knows the same baseline.
    const table = await openRuns();
    await table.page.getByRole("columnheader", { name: "eval/loss − baseline" }).waitFor();
    await expect.poll(() => table.page.locator(".row .chip", { hasText: "baseline" }).count()).toBe(1);
    await table.page.getByLabel("Group by").selectOption("Variant");
    await expect.poll(() => table.page.locator(".row.group").count()).toBe(10);
    expect(await table.page.locator(".row.group").first().innerText()).toMatch(
      /3 runs[\s\S]*\d\.\d+ ± 0\.\d+/,
    );
    await table.screenshot("many-runs-grouped");
    expect(await table.violations()).toEqual([]);
    pages.harness.looks.setBaseline(undefined);
    await expect.poll(() => table.page.locator(".row .chip", { hasText: "baseline" }).count()).toBe(0);
    await page.close();
    await table.close();
  });

  it("lists the nearest curve first at the pointer", async () => {
    const page = await openCharts();
    const plot = (await page.page.locator(".plot").first().boundingBox())!;
    const firstName = async (share: number) => {
      await page.page.mouse.move(plot.x + plot.width * 0.9, plot.y + plot.height * share);
      return page.page.locator(".reading tr").first().locator(".name").innerText();
    };
    // The curves arrive one after another.
    await expect.poll(() => firstName(0.05)).toContain("heads-40");
    await expect.poll(() => firstName(0.84)).toMatch(/heads-4(?!0)/);
    // Among so many, it is drawn before the others, which fade; elsewhere they come back.
    const picture = () => page.page.evaluate<string>(`document.querySelector("canvas").toDataURL()`);
    const low = await picture();
    await firstName(0.05);
    await expect.poll(picture).not.toBe(low);
    await page.screenshot("many-charts-pointed");
    await page.page.mouse.move(plot.x + plot.width / 2, plot.y + plot.height + 200);
    const all = await picture();
    expect(all).not.toBe(low);
    await page.close();
  });

  it.each<ThemeName>(["dark", "light", "highContrast", "highContrastLight"])(
    "can be distinguished in %s at any width, and no control covers another",
    async (theme) => {
      for (const [kind, page] of [
        ["charts", await openCharts({ theme, height: 700 })],
        ["runs", await openRuns({ theme, height: 700 })],
      ] as const) {
        // The last is a window of 1,400 pixels at 200 %.
        for (const [width, height] of [
          [1400, 900],
          [600, 700],
          [700, 450],
        ] as const) {
          await page.page.setViewportSize({ width, height });
          await page.page.evaluate(
            "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))",
          );
          await page.screenshot(`many-${kind}-${theme}-${width}`);
          expect(await findOverlaps(page)).toEqual([]);
        }
        await page.close();
      }
    },
  );
});
