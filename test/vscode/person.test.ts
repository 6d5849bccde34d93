/** A user's session with the packed extension, from the walkthrough to the trash, with screenshots. */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { Study } from "./support/study";
import { noWindow, type Window } from "./support/window";

const reason = noWindow();
if (reason !== undefined) console.log(`Nobody worked in VS Code: ${reason}`);

describe.skipIf(reason !== undefined)("a user who has installed the package", () => {
  let study: Study;
  let window: Window;

  beforeAll(async () => {
    study = await Study.open({ installed: true });

    // Long enough for everything that the user does before stopping it.
    const text = readFileSync("examples/first.lathe.md", "utf8").replace(
      /max_steps: \d+/,
      "max_steps: 20000",
    );
    writeFileSync(join(study.folder, "first.lathe.md"), text);
    window = await study.window();
  });
  afterAll(() => study.close());

  const patience = { timeout: 90_000 };
  const states = () => study.runs().map(({ state }) => state);
  const picture = (name: string) => onTestFailed(() => window.screenshot(`failed-${name}`));

  test("reads the walkthrough", async () => {
    picture("walkthrough");
    await window.command("Lathe: Open Walkthrough");
    await window.page.getByText("Watch the loss fall").first().waitFor();
    await window.screenshot("walkthrough");
    await window.command("View: Close All Editors");
  });

  test("runs the first example and sees its curve move", async () => {
    picture("first");
    await window.openFile("first.lathe.md");
    await window.runAll();
    await window.scrollNotebookTo("max_steps");
    await expect.poll(async () => (await window.curve()).to, patience).toBeGreaterThan(10);
    const seen = (await window.curve()).to;
    await expect.poll(async () => (await window.curve()).to, patience).toBeGreaterThan(seen + 10);
    await window.openSidePanel();
    await window.screenshot("live");
    expect(states()).toEqual(["running", "queued"]);
  });

  test("reloads the window during the run, and the curve is shown from its first step and continues", async () => {
    picture("reloaded");
    const before = (await window.curve()).to;
    await window.reload();
    await window.scrollNotebookTo("max_steps");
    await expect.poll(async () => (await window.curve()).to, patience).toBeGreaterThan(before);
    expect((await window.curve()).from).toBeLessThanOrEqual(10);
    const seen = (await window.curve()).to;
    await expect.poll(async () => (await window.curve()).to, patience).toBeGreaterThan(seen);
    await window.screenshot("reloaded");
  });

  test("stops the waiting and the running run, and resumes the latter, in the tree", async () => {
    picture("stopped");
    await window.openSidePanel();
    await window.rowAction(window.treeRow(/^first-grouped/, "Runs"), "Stop Run");
    await expect.poll(states, patience).toEqual(["running", "stopped"]);
    await window.rowAction(window.treeRow(/^dense/, "Runs"), "Stop Run");
    await expect.poll(states, patience).toEqual(["stopped", "stopped"]);
    const [{ progress, id }] = study.runs() as [ReturnType<Study["runs"]>[number]];
    expect(existsSync(join(study.folder, ".lathe/runs", id, "checkpoints", `step-${progress!.step}`))).toBe(
      true,
    );
    await window.screenshot("stopped");
    await window.rowAction(window.treeRow(/^dense/, "Runs"), "Resume Run");
    await expect.poll(() => study.runs()[0]?.progress?.step, patience).toBeGreaterThan(progress!.step);
    await window.rowAction(window.treeRow(/^dense/, "Runs"), "Stop Run");
    await expect.poll(states, patience).toEqual(["stopped", "stopped"]);
  });

  test("opens each panel, and sees them again after a reload", async () => {
    picture("panels");
    await window.command("View: Close All Editors");
    await window.command("Lathe: Open Runs");
    await window.panel.getByText("dense", { exact: true }).first().waitFor();
    await window.command("Lathe: Open Charts");
    await window.panel.locator("canvas").first().waitFor();
    await window.openFile("first.lathe.md");
    await window.command("Lathe: Show Parameters");
    await window.panel.getByText("189,056").first().waitFor();
    await window.screenshot("parameters");
    await window.command("Lathe: Open Weights");
    await window.panel.locator("canvas").first().waitFor();
    await window.screenshot("weights");
    // In a browser, VS Code saves its open editors every five seconds.
    await window.page.waitForTimeout(7000);
    await window.reload();
    await window.panel.locator("canvas").first().waitFor({ timeout: 60_000 });
    const tabs = await window.page.locator(".tabs-container .tab").allTextContents();
    expect(tabs.map((text) => text.trim())).toEqual([
      "Runs",
      "Charts",
      "first.lathe.md",
      "Parameters",
      "Weights",
    ]);
  });

  test("moves a run to the trash and restores it", async () => {
    picture("trash");
    await window.openSidePanel();
    const row = window.treeRow(/^grouped/, "Runs");
    await row.click();
    // The curves open, and the tree keeps the keyboard.
    await window.page.locator(".tab.active", { hasText: "Charts" }).waitFor();
    await window.page.locator(".part.sidebar .monaco-list:focus").waitFor();
    await window.page.keyboard.press("Delete");
    await expect.poll(() => study.runs().length, patience).toBe(1);
    expect(readdirSync(join(study.folder, ".lathe/trash"))).toHaveLength(1);
    await window.page.locator(".notifications-toasts").getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => study.runs().length, patience).toBe(2);
  });
});

describe.skipIf(reason !== undefined)("in an untrusted workspace", () => {
  let study: Study;
  let window: Window;

  beforeAll(async () => {
    study = await Study.open({
      installed: true,
      workspaceTrust: true,
      settings: { "security.workspace.trust.startupPrompt": "never" },
    });
    cpSync("examples/quick.lathe.md", join(study.folder, "quick.lathe.md"));
    window = await study.window();
  });
  afterAll(() => study.close());

  test("an experiment can be read, and nothing runs", async () => {
    onTestFailed(() => window.screenshot("failed-untrusted"));
    await window.openFile("quick.lathe.md");
    await window.page.locator(".notebookOverlay").getByText("grammar").first().waitFor();
    await window.runAll().catch(() => undefined);
    await window.page.waitForTimeout(3000);
    await window.screenshot("untrusted");
    expect(study.runs()).toEqual([]);
    expect(study.server.processes("runProcess.cjs")).toEqual([]);
  });
});
