import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeCheckpoint } from "../../src/backend/checkpoints/checkpoint";
import type { Subject } from "../../src/protocol/service/models";
import { drawModelTensors, createTinyShape } from "../support/subject";
import { noChromium, PageHarness, type PageOptions, type TestPage } from "./pageHarness";
import { makeRuns } from "./runFolders";
import type { ThemeName } from "./themes";

const published = ["JP47D54C", "JP47D55C", "JP47D56C"].map((name): Subject => ({
  kind: "plan",
  experiment: resolve(`examples/papers/kphi3/${name}.lathe.md`),
}));

describe.skipIf(noChromium !== undefined)("the panel Parameters", () => {
  let workspace: string;
  let harness: PageHarness;
  let checkpoint: Subject;

  beforeAll(async () => {
    workspace = realpathSync(mkdtempSync(join(tmpdir(), "lathe-pages-")));
    makeRuns(workspace, 5);
    const path = join(workspace, "tiny");
    mkdirSync(path);
    const shape = createTinyShape("llama");
    writeCheckpoint(path, { shape, tensors: drawModelTensors(shape, 3) });
    checkpoint = { kind: "path", path };
    const branching = join(workspace, "branching.lathe.md");
    writeFileSync(
      branching,
      '# <img src=x onerror="alert(1)"> and two ways\n\n```yaml\nmodel: {model_type: gpt2}\nvariants: {wide: {}, narrow: {}}\n```\n',
    );
    harness = await PageHarness.open(workspace, [
      ...published.flatMap((each) => (each.kind === "plan" ? [each.experiment] : [])),
      branching,
    ]);
  });
  afterAll(async () => {
    await harness.close();
    rmSync(workspace, { recursive: true, force: true });
  });

  async function open(subjects: readonly Subject[], options: PageOptions = {}): Promise<TestPage> {
    const page = await harness.panel("parameters", { subjects }, { width: 1360, height: 820, ...options });
    page.page.setDefaultTimeout(20_000);
    return page;
  }
  const totals = (page: TestPage) => page.page.locator(".totals");
  const counted = (page: TestPage) => expect.poll(() => totals(page).innerText()).not.toContain("counting…");

  it("compares the three published models with each other and with the published sizes", async () => {
    const page = await open(published);
    await counted(page);
    const text = await totals(page).innerText();
    for (const number of ["226,507,776", "35,011,584", "52,515,840"]) expect(text).toContain(number);
    expect(text).toContain("−84.5 %");
    expect(await page.page.locator(".verdict.agrees").count()).toBe(6);
    expect(await page.page.locator(".verdict.differs").count()).toBe(0);
    expect(text).toContain("Saving 77% of the Parameters");
    await page.screenshot("parameters-dark");
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("expands a layer, sorts by size, compares another number, and restores that state", async () => {
    const page = await open(published.slice(0, 2));
    await counted(page);
    const layers = page.page.locator(".roles .layer button");
    expect(await layers.count()).toBe(3);
    const layer = page.page.getByRole("button", { name: "Layer 1" });
    const rows = page.page.locator(".roles tbody tr:not(.layer)");
    const before = await rows.count();
    await layer.press("Enter");
    await expect.poll(() => layer.getAttribute("aria-expanded")).toBe("false");
    expect(await rows.count()).toBeLessThan(before);
    await page.page.getByLabel("Compare", { exact: true }).selectOption("bits per weight");
    await page.page.getByLabel("Order", { exact: true }).selectOption("largest first");
    await expect.poll(() => layers.first().innerText()).toContain("Outside the layers");
    const kept = await page.page.evaluate<{ state: unknown }>("acquireVsCodeApi().getState()");
    await page.close();
    const again = await open([], { state: kept.state });
    await counted(again);
    await expect
      .poll(() => again.page.getByRole("button", { name: "Layer 1" }).getAttribute("aria-expanded"))
      .toBe("false");
    await expect.poll(() => again.page.locator(".roles thead").innerText()).toContain("Bits per weight");
    await again.close();
  });

  it("shows all five numbers of one model by role, and writes them as CSV", async () => {
    const page = await open([checkpoint]);
    await counted(page);
    const head = await page.page.locator(".roles thead").innerText();
    for (const title of ["Trainable", "Stored", "Non-zero", "Bits per weight", "Bytes", "Share of bytes"])
      expect(head).toContain(title);
    await page.screenshot("parameters-one-dark");
    await page.page.getByRole("button", { name: "Export CSV" }).click();
    await expect.poll(() => page.asked.saved.length).toBe(1);
    const rows: Record<string, string>[] = parse((page.asked.saved[0]!.content as { text: string }).text, {
      columns: true,
    });
    const sum = rows.slice(0, -2).reduce((so, { stored }) => so + Number(stored), 0);
    expect(rows.at(-1)).toMatchObject({ role: "whole model", stored: String(sum) });
    await page.page.getByRole("button", { name: "Copy" }).click();
    await expect.poll(() => page.asked.copied[0]?.split("\n").length).toBe(rows.length + 1);
    await page.close();
  });

  it("shows the published models side by side although none has ever run", async () => {
    const page = await open([]);
    const choose = async (name: string, button: string) => {
      await page.page.getByRole("button", { name: button }).click();
      await page.page.locator(".menu vscode-textfield input").fill(name);
      await expect.poll(() => page.page.locator(".subjects .choice").count()).toBe(1);
      if (name === "JP47D55C") await page.screenshot("parameters-choosing-dark");
      await page.page.locator(".subjects .choice").click();
    };
    for (const name of ["JP47D54C", "JP47D55C", "JP47D56C"]) {
      await choose(name, "Add a model");
      await expect.poll(() => totals(page).innerText()).toContain(name);
    }
    await counted(page);
    await expect.poll(() => page.page.locator(".verdict.agrees").count()).toBe(6);
    const text = await totals(page).innerText();
    for (const number of ["226,507,776", "35,011,584", "52,515,840", "Published"])
      expect(text).toContain(number);
    await page.close();
  });

  it("offers each variant of an experiment, by name and by its heading", async () => {
    const page = await open([]);
    await page.page.getByRole("button", { name: "Add a model" }).click();
    await page.page.locator(".menu vscode-textfield input").fill("two ways");
    await expect
      .poll(() => page.page.locator(".subjects .choice").allInnerTexts())
      .toEqual(["wide", "narrow"].map((name) => expect.stringContaining(`branching, ${name}`) as string));
    expect(await page.page.locator(".subjects").innerText()).toContain('<img src=x onerror="alert(1)">');
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("shows why a model can't be counted, and counts the others", async () => {
    const page = await open([checkpoint, { kind: "path", path: join(workspace, "<b>nowhere</b>") }]);
    await expect.poll(() => page.page.locator(".about.problem").innerText()).toContain("<b>nowhere</b>");
    await page.page.locator(".roles .layer").first().waitFor();
    await page.page.getByRole("button", { name: "Remove it" }).click();
    await expect.poll(() => page.page.locator(".totals thead th").count()).toBe(1);
    await page.close();
  });

  it("adds selected runs, experiments and models on disk", async () => {
    const page = await open([]);
    await page.page.getByRole("button", { name: "Add a model" }).click();
    await page.page.locator(".subjects .choice").first().waitFor();
    expect(await page.page.locator(".subjects h3").allInnerTexts()).toContain("Runs");
    await page.page.locator(".menu vscode-textfield input").fill("nothing like it");
    await page.page.getByText("Nothing matches this name").waitFor();
    await page.page.locator(".menu vscode-textfield input").fill("dense");
    await page.page.locator(".subjects .choice").first().click();
    // These runs have only records, so this one has no checkpoint to count.
    await page.page.locator(".about.problem").waitFor();
    expect(await page.violations()).toEqual([]);
    await page.close();
  });

  it.each<ThemeName>(["dark", "light", "highContrast", "highContrastLight"])(
    "is accessible in the theme %s",
    async (theme) => {
      const page = await open(published, { theme });
      await counted(page);
      await page.screenshot(`parameters-${theme}`);
      expect(await page.violations()).toEqual([]);
      expect(page.faults).toEqual([]);
      await page.close();
    },
  );
});
