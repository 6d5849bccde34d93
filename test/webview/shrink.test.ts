/** The page of the panel Shrink: its lines, the details of a point, its exports, and its restored state. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noChromium, PageHarness, type PageOptions, type TestPage } from "./pageHarness";
import { WrittenRun } from "./sampleRuns";

describe.skipIf(noChromium !== undefined)("the panel Shrink", () => {
  let workspace: string;
  let experiment: string;
  let harness: PageHarness;
  const hostile = `<img src=x onerror="alert(1)">`;

  beforeAll(async () => {
    workspace = realpathSync(mkdtempSync(join(tmpdir(), "lathe-shrink-")));
    experiment = join(workspace, "methods.lathe.md");
    writeFileSync(experiment, "# Methods\n");
    const methods = [
      ["irc", "compress.irc.rate", 0.06],
      ["dwc", "compress.dwc.rate", 0.14],
      [hostile, "compress.fpp.sparsity", 0.24],
    ] as const;
    for (const seed of [0, 1, 2]) {
      const noise = 0.004 * (seed - 1);
      const write = (variant: string, sweep: object, accuracy: number) =>
        WrittenRun.write(workspace, {
          name: `${variant.slice(0, 5)} ${seed} ${JSON.stringify(sweep)}`,
          variant,
          experiment: "methods.lathe.md",
          lines: 10,
          seed,
          sweep: { seed, ...sweep },
          measured: { "classification/accuracy": accuracy, "classification/loss": 1.2 - accuracy },
        });
      await write("dense", {}, 0.95 + noise);
      for (const [variant, path, worst] of methods)
        for (const rate of [0.3, 0.6, 0.9])
          await write(variant, { [path]: rate }, 0.96 - worst * rate ** 2 + noise);
    }
    for (const [variant, rep] of [
      ["dense", 0.2],
      [hostile, 0.5],
    ] as const)
      for (const seed of [0, 1]) {
        const run = await WrittenRun.write(workspace, {
          name: `texts ${variant.slice(0, 5)} ${seed}`,
          variant,
          experiment: "texts.lathe.md",
          lines: 5,
          seed,
          sweep: { seed },
          measured: { "repetition/rep4_128": rep + seed / 100, "repetition/meaningless_128": 0.1 },
          then: ["evaluate"],
        });
        const folder = join(run.path, "steps", "1-evaluate");
        mkdirSync(folder, { recursive: true });
        const samples = [{ prompt: "Once", text: ` upon ${hostile} ${variant.slice(0, 5)} ${seed}` }];
        writeFileSync(join(folder, "samples.json"), JSON.stringify({ samples }));
        writeFileSync(join(folder, "eval.json"), JSON.stringify({ generate: { values: {}, details: {} } }));
        writeFileSync(join(folder, "done.json"), JSON.stringify({ lines: [0, 5] }));
      }
    harness = await PageHarness.open(workspace, [experiment]);
  });
  afterAll(async () => {
    await harness.close();
    rmSync(workspace, { recursive: true, force: true });
  });

  async function open(options: PageOptions = {}): Promise<TestPage> {
    const page = await harness.panel("shrink", { experiment }, { width: 1100, height: 900, ...options });
    page.page.setDefaultTimeout(20_000);
    await page.page.locator(".target").first().waitFor({ state: "attached" });
    return page;
  }

  it("draws two metrics along the rate, shows a point, and opens its runs", async () => {
    const page = await open();
    expect(await page.page.locator("svg.picture").count()).toBe(2);
    // Nine points of three seeds each in either chart; the dense runs are a line.
    expect(await page.page.locator(".target").count()).toBe(18);
    const point = page.page.getByRole("button", { name: /^irc, 0\.3: / }).first();
    await point.focus();
    await expect
      .poll(() => page.page.locator(".hint").innerText())
      .toMatch(/^irc, 0\.3: 0\.95\d* ± 0\.0\d* \(3 runs\)/);
    await page.page.keyboard.press("Enter");
    await expect.poll(() => page.asked.panels.length).toBe(1);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("saves each chart as CSV with its numbers, as SVG with names as text, and as PNG", async () => {
    const page = await open();
    for (const format of ["CSV", "SVG", "PNG"])
      await page.page.getByRole("button", { name: `Save classification/accuracy as ${format}` }).click();
    await expect.poll(() => page.asked.saved.length).toBe(3);
    const [csv, svg, png] = page.asked.saved.map(
      ({ content }) => content as { text?: string; base64?: string },
    );
    const rows: Record<string, string>[] = parse(csv!.text!, { columns: true });
    expect(rows.length).toBe(10);
    const first = rows.find(({ series, rate }) => series === "irc" && rate === "0.3")!;
    expect(Number(first["classification/accuracy"])).toBeCloseTo(0.96 - 0.06 * 0.09, 9);
    expect(first["runs"]).toBe("3");
    expect(svg!.text).toContain("&lt;img src=x");
    expect(svg!.text).not.toContain("<img");
    expect(Buffer.from(png!.base64!, "base64").subarray(1, 4).toString()).toBe("PNG");
    expect(await page.page.locator("img").count()).toBe(0);
    await page.close();
  });

  it("draws the metrics of generated texts as bars, and shows the texts side by side as text", async () => {
    const page = await harness.panel(
      "shrink",
      { experiment: join(workspace, "texts.lathe.md") },
      { width: 1100, height: 1200 },
    );
    page.page.setDefaultTimeout(20_000);
    const bars = page.page.getByRole("img", { name: "Shares of repeated and meaningless tokens" });
    await bars.waitFor();
    await page.page.getByRole("button", { name: /^Save Shares of repeated.* as CSV/ }).click();
    await expect.poll(() => page.asked.saved.length).toBe(1);
    const { text } = page.asked.saved[0]!.content as { text: string };
    const rows: Record<string, string>[] = parse(text, { columns: true });
    const dense = rows.find(({ series, measure }) => series === "dense" && measure === "rep4 128")!;
    expect(Number(dense["mean"])).toBeCloseTo(0.205, 9);
    await page.page.getByRole("button", { name: "Show the texts side by side" }).click();
    const texts = page.page.getByRole("region", { name: "Texts side by side" });
    await texts.waitFor();
    expect(await texts.getByRole("columnheader").allInnerTexts()).toEqual(["Prompt", "dense", hostile]);
    // Each line shows the texts of the run with the smallest seed.
    expect(await texts.getByRole("cell").first().innerText()).toBe(` upon ${hostile} dense 0`);
    expect(await page.page.locator("img").count()).toBe(0);
    expect(await page.violations()).toEqual([]);
    expect(page.faults).toEqual([]);
    await page.screenshot("shrink-texts-dark");
    await page.close();
  });

  it("restores its state, and is accessible in every theme", async () => {
    const page = await open();
    await page.page.getByLabel("Pareto front").check();
    await page.page.getByLabel("Along").selectOption("total");
    await page.page.getByLabel("Along").selectOption("rate");
    await page.page.getByLabel("and", { exact: true }).selectOption("");
    await expect.poll(() => page.page.locator("svg.picture").count()).toBe(1);
    const kept = await page.page.evaluate<{ state: unknown }>("acquireVsCodeApi().getState()");
    await page.close();
    for (const theme of ["dark", "light", "highContrast"] as const) {
      const again = await open({ state: kept.state, theme });
      expect(await again.page.locator("svg.picture").count()).toBe(1);
      expect(await again.page.getByLabel("Pareto front").isChecked()).toBe(true);
      expect(await again.violations()).toEqual([]);
      await again.screenshot(`shrink-${theme}`);
      await again.close();
    }
  });
});
