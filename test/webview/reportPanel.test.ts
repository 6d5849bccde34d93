/** The panel Report: the report of an experiment inside the page, again when a run has ended, exported and printed. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RunPlan } from "../../src/protocol/run";
import { writeFinishedRuns } from "../support/finishedRuns";
import { findOverlaps } from "./overlaps";
import type { TestPage } from "./pageHarness";
import type { ThemeName } from "./themes";
import { usePages, useWorkspace } from "./usePages";

const widths = [8, 16, 24, 32];
const text = `# Widths

\`\`\`yaml
data: {grammar: {length: 4000}, tokenizer: bytes, sequence_len: 16}
model: {model_type: phi3, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32}
device: cpu
variants:
${widths.map((width) => `  wide-${width}: {model: {intermediate_size: ${width}}}`).join("\n")}
sweep: {seed: [0, 1, 2]}
train: {max_steps: 10}
\`\`\`
`;

describe("the panel Report", () => {
  const workspace = useWorkspace();
  const experiment = join(workspace, "widths.lathe.md");
  /** A device that tries to be markup. */
  const device = {
    name: "cpu",
    description: `<img src=x onerror="window.broken=1"><script>broken=1</script>`,
    reason: "",
  };
  const finish = (isFinished: (plan: RunPlan) => boolean) =>
    writeFinishedRuns(experiment, (plan) => {
      if (!isFinished(plan)) return undefined;
      const loss = 2 - Number(plan.variant.slice(5)) / 100 + plan.seed / 500;
      return { device, summary: { "eval/loss": { last: loss, min: loss, max: 4 } } };
    });
  const pages = usePages(workspace, async () => {
    writeFileSync(join(workspace, "package.json"), "{}");
    writeFileSync(experiment, text);
    await finish(({ variant }) => variant !== "wide-32");
  }, [experiment]);

  const open = async (theme: ThemeName = "dark", width = 1000): Promise<TestPage> => {
    const page = await pages.harness.panel("report", { experiment }, { theme, width, height: 700 });
    await page.page.locator(".report h1").waitFor();
    return page;
  };
  const conclusions = (page: TestPage) => page.page.locator(".report .conclusions").innerText();

  it("shows conclusions, facts, one row for each variant and the runs below, as text", async () => {
    const page = await open();
    expect(await conclusions(page)).toMatch(/^Lowest eval\/loss: wide-24 with 1\.762 ± 0\.0\d+ \(3 seeds\)/);
    expect(await page.page.locator(".report dl").innerText()).toContain("lathe report widths.lathe.md");
    expect(await page.page.locator(".report dl").innerText()).toContain("<script>broken=1</script>");
    expect(await page.page.evaluate("window.broken")).toBeUndefined();
    const details = page.page.locator(".report details");
    expect(await details.locator("table").isVisible()).toBe(false);
    await details.locator("summary").press("Enter");
    await expect.poll(() => details.locator("tbody tr").count()).toBe(9);
    expect(await page.violations()).toEqual([]);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("follows the runs as they end, and keeps the place, what is open and the elements that have not changed", async () => {
    const page = await open();
    await page.page.locator(".report summary").click();
    const scroller = page.page.getByRole("region", { name: "Report", exact: true });
    await scroller.evaluate((element) => ((element as never as { scrollTop: number }).scrollTop = 140));
    await page.page.evaluate(`document.querySelector(".report").shadowRoot.querySelector("h1").kept = true`);
    await finish(({ variant, seed }) => variant === "wide-32" && seed < 3);
    await expect.poll(() => conclusions(page)).toContain("Lowest eval/loss: wide-32");
    await expect.poll(() => page.page.locator(".report details tbody tr").count()).toBe(12);
    expect(await page.page.getByText("12 of 12 runs").isVisible()).toBe(true);
    expect(await scroller.evaluate((element) => (element as never as { scrollTop: number }).scrollTop)).toBe(
      140,
    );
    expect(await page.page.locator(".report details").getAttribute("open")).toBe("");
    expect(
      await page.page.evaluate(`document.querySelector(".report").shadowRoot.querySelector("h1").kept`),
    ).toBe(true);
    await page.close();
  });

  it("is exported as one file, and printed by the browser from the file that lathe report writes", async () => {
    const page = await open();
    await page.page.getByRole("button", { name: "Export as HTML…" }).click();
    await expect.poll(() => page.asked.saved.length).toBe(1);
    const [{ name, content }] = page.asked.saved as [(typeof page.asked.saved)[0]];
    expect(name).toBe("widths.html");
    const html = (content as { text: string }).text;
    expect(html).toContain("prefers-color-scheme: dark");
    expect(html).not.toMatch(/<script|<link|<img/i);
    await page.page.getByRole("button", { name: "Print or Save as PDF…" }).click();
    await expect.poll(() => page.asked.browsed).toEqual([join(workspace, ".lathe/reports/widths.html")]);
    expect(readFileSync(page.asked.browsed[0]!, "utf8")).toBe(html);
    expect(existsSync(join(workspace, ".lathe/reports/widths.md"))).toBe(true);
    await page.close();
  });

  it("states why there is no report, and shows one once there is", async () => {
    writeFileSync(experiment, text.replace("max_steps: 10", "max_steps: many"));
    const page = await pages.harness.panel("report", { experiment }, {});
    await page.page.getByRole("alert").waitFor();
    expect(await page.page.getByRole("alert").innerText()).toContain("max_steps");
    writeFileSync(experiment, text);
    await page.page.getByText("Create Report").click();
    await page.page.locator(".report h1").waitFor();
    await page.close();
  });

  it.each<[ThemeName, number]>([
    ["dark", 1400],
    ["light", 600],
    ["highContrast", 700],
    ["highContrastLight", 1000],
  ])("is readable in %s at %i pixels, and accessible", async (theme, width) => {
    const page = await open(theme, width);
    await page.screenshot(`report-panel-${theme}-${width}`);
    expect(await findOverlaps(page)).toEqual([]);
    expect(await page.violations()).toEqual([]);
    const overflow = await page.page.evaluate<number>(
      `(() => { const scroller = document.querySelector(".scroll"); return scroller.scrollWidth - scroller.clientWidth; })()`,
    );
    expect(overflow).toBe(0);
    await page.close();
  });
});
