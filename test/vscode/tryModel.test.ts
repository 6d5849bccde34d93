/** Two models of an experiment answer side by side in a real VS Code: from the palette, from the tree, and after a reload. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFailed, test, vi } from "vitest";
import { Study } from "./support/study";
import { tinyExperiment } from "./support/tinyExperiment";
import { noWindow, type Window } from "./support/window";

const reason = noWindow();
if (reason !== undefined) console.log(`No models were tried in VS Code: ${reason}`);

describe.skipIf(reason !== undefined)("models that are tried side by side", () => {
  let study: Study;
  let window: Window;

  beforeAll(async () => {
    study = await Study.open();
    const variants = "```yaml\nvariants: {dense: {}, narrow: {model: {intermediate_size: 16}}}\n```\n\n";
    const [heading, ...cells] = tinyExperiment("Two", 200).split("\n\n");
    writeFileSync(join(study.folder, "two.lathe.md"), `${heading}\n\n${variants}${cells.join("\n\n")}`);
    window = await study.window();
    await window.openFile("two.lathe.md");
    await window.runAll();
    await vi.waitFor(() => expect(study.runs().map(({ state }) => state)).toEqual(["done", "done"]), 120_000);
    await window.command("View: Close All Editors");
  }, 240_000);
  afterAll(() => study.close());

  const panel = () => window.panel;
  const heads = () => panel().locator(".head");
  const loaded = (count: number) =>
    expect
      .poll(() => panel().locator(".head .meta").allInnerTexts(), { timeout: 60_000 })
      .toEqual(
        Array.from({ length: count }, () => expect.stringMatching(/^phi3 · [\d,]+ parameters · /) as string),
      );
  const countProcesses = () =>
    execFileSync("ps", ["-eo", "args="])
      .toString()
      .split("\n")
      .filter((line) => line.includes(" serve ") && line.includes(study.folder)).length;

  test("opens with the runs that are selected, and both answer", async () => {
    onTestFailed(() => window.screenshot("failed-try-model"));
    await window.command("Lathe: Try Model");
    await window.choose("two-dense");
    await window.choose("two-narrow");
    await window.page.keyboard.press("Enter");
    await loaded(2);
    expect(countProcesses()).toBe(2);
    await panel().getByLabel("Prompt", { exact: true }).fill("abc");
    await panel().getByRole("button", { name: "Generate" }).click();
    await panel().locator(".answer", { hasText: "Perplexity of this answer" }).nth(1).waitFor();
    for (const text of await panel().locator(".answer").allInnerTexts())
      expect(text).toMatch(/^64 tokens · /);
    expect(await panel().locator(".answer").first().locator("[data-token]").count()).toBe(64);
    await window.screenshot("try-model");
  });

  test("shows another selection in the open panel, from the tree, and frees the model that is left out", async () => {
    onTestFailed(() => window.screenshot("failed-try-model-tree"));
    await window.openSidePanel();
    await window.rowMenuAction(window.treeRow(/^narrow/, "Runs"), "Try Model");
    await expect.poll(() => heads().count()).toBe(1);
    await loaded(1);
    expect(await heads().innerText()).toContain("two-narrow");
    await expect.poll(countProcesses).toBe(1);
  });

  test("restores prompt and model after a reload without loading it; closing the panel ends its process", async () => {
    onTestFailed(() => window.screenshot("failed-try-model-reload"));
    // In a browser, VS Code saves its open editors every five seconds.
    await window.page.waitForTimeout(7000);
    await window.reload();
    await expect
      .poll(() => heads().first().innerText(), { timeout: 60_000 })
      .toMatch(/^two-narrow\s+Loads with the next answer/);
    await expect.poll(countProcesses).toBe(0);
    expect(await panel().getByLabel("Prompt", { exact: true }).inputValue()).toBe("abc");
    await panel().getByRole("button", { name: "Generate" }).click();
    await panel().locator(".answer", { hasText: "64 tokens" }).first().waitFor();
    expect(await heads().count()).toBe(1);
    expect(countProcesses()).toBe(1);
    await window.command("View: Close All Editors");
    await expect.poll(countProcesses).toBe(0);
  });
});
