/**
 * The workbench in a light, a dark and a high-contrast theme, with runs that have artificial curves. The
 * pictures in test-results/vscode are for review, and their names describe what they show.
 */
import { cpSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { WrittenRun } from "../webview/sampleRuns";
import { Study } from "./support/study";
import { noWindow, type Window } from "./support/window";

const reason = noWindow();
if (reason !== undefined) console.log(`No pictures of VS Code: ${reason}`);

const themes = [
  ["light", "Light Modern", "vs"],
  ["dark", "Dark Modern", "vs-dark"],
  ["contrast", "Dark High Contrast", "hc-black"],
] as const;

describe.skipIf(reason !== undefined)("pictures of VS Code", () => {
  let study: Study;
  let window: Window;

  beforeAll(async () => {
    study = await Study.open();
    for (const file of ["JP47D54C", "JP47D55C", "JP47D56C"])
      cpSync(`examples/papers/kphi3/${file}.lathe.md`, `${study.folder}/${file}.lathe.md`);
    cpSync("examples/quick.lathe.md", `${study.folder}/quick.lathe.md`);
    const forms = ["dense", "groups of 8", "groups of 16", "groups of 32", "rank 64", "rank 16", "tied rows"];
    const more = ["diagonal values", "half of the weights", "2:4"];
    for (const [e, experiment] of ["width", "depth", "shrunk"].entries())
      for (const [i, form] of [...forms, ...more].entries())
        await WrittenRun.write(study.folder, {
          name: `${experiment}, ${form}`,
          variant: form,
          experiment: `${experiment}.lathe.md`,
          seed: 10 * e + i,
          floor: 1.4 + 0.11 * i + 0.2 * e,
          state: i === 4 && e === 1 ? "failed" : i === 7 && e === 0 ? "stopped" : "done",
        });
    window = await study.window();
    await window.openFile("quick.lathe.md");
    await window.runAll();
    await window.openSidePanel();
  });
  afterAll(() => study.close());

  /** Pictures of the gallery page are smaller, so that their text remains legible there; see media/gallery. */
  async function inEachTheme(name: string, isInGallery = false): Promise<void> {
    for (const [short, theme, kind] of themes) {
      await window.theme(theme, kind);
      await window.screenshot(`${name}-${short}`);
      if (!isInGallery || short !== "dark") continue;
      const size = window.page.viewportSize()!;
      const isPanel = name !== "notebook";
      if (isPanel) await window.command("View: Toggle Primary Side Bar Visibility");
      await window.page.setViewportSize({ width: 1000, height: 660 });
      await window.page.waitForTimeout(1500);
      await window.screenshot(`gallery-${name}`);
      await window.page.setViewportSize(size);
      if (isPanel) await window.command("View: Toggle Primary Side Bar Visibility");
    }
  }
  const picture = (name: string) => onTestFailed(() => window.screenshot(`failed-picture-${name}`));

  test("a notebook whose curve is being drawn", async () => {
    picture("notebook");
    await window.scrollNotebookTo("max_steps");
    await window.outputs.locator("canvas").first().waitFor();
    await inEachTheme("notebook", true);
    await window.command("View: Close All Editors");
  });

  test("thirty runs", async () => {
    picture("runs");
    await window.command("Lathe: Open Runs");
    await window.panel.getByText("width, dense").first().waitFor();
    await inEachTheme("runs");
  });

  test("ten curves", async () => {
    picture("charts");
    await window.command("View: Close All Editors");
    await window.rowAction(window.treeRow(/^shrunk/), "Open Charts");
    await window.panel.locator("canvas").first().waitFor();
    await inEachTheme("charts", true);
  });

  test("the three published models side by side, with the counts that were published", async () => {
    picture("parameters");
    await window.command("View: Close All Editors");
    await window.openFile("JP47D54C.lathe.md");
    await window.command("Lathe: Show Parameters");
    for (const other of ["JP47D55C", "JP47D56C"]) {
      await window.panel.getByRole("button", { name: "Add a model" }).click();
      await window.panel.locator("button.choice", { hasText: other }).first().click();
      await window.panel.locator("th", { hasText: other }).first().waitFor();
    }
    for (const count of [
      "226,507,776",
      "35,011,584",
      "52,515,840",
      "423,508,992",
      "232,012,800",
      "249,517,056",
    ])
      await window.panel.getByText(count).first().waitFor();
    expect(await window.panel.getByText("equal").count()).toBeGreaterThanOrEqual(6);
    await inEachTheme("parameters", true);
  });

  test("the weights of a trained model", async () => {
    picture("weights");
    await window.command("View: Close All Editors");
    await window.command("Lathe: Open Weights");
    await window.choose("quick-dense");
    await window.page.keyboard.press("Enter");
    await window.panel.locator("canvas").first().waitFor();
    await inEachTheme("weights");
  });
});
