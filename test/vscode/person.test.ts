/** What a person does in VS Code, from an empty window to a finished comparison; with pictures of what is seen. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { installVscode, versions } from "./support/installVscode";
import { type Server, startServer } from "./support/server";
import { launchBrowser, noWindow, Window } from "./support/window";

const reason = noWindow();

describe.skipIf(reason !== undefined)("a person in VS Code", () => {
  let scratch: string;
  let folder: string;
  let server: Server;
  let browser: Browser;
  let window: Window;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), "lathe-person-"));
    folder = join(scratch, "study");
    mkdirSync(folder);
    cpSync("examples/quick.lathe.md", join(folder, "quick.lathe.md"));
    server = await startServer(await installVscode(versions.current), {
      driver: true,
      environment: { LATHE_STATE_DIR: join(scratch, "state"), ORT_DISABLE_TELEMETRY: "1" },
    });
    browser = await launchBrowser(server.home);
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    window = await Window.open(context, server, { folder, extension: resolve(".") });
  });

  afterAll(async () => {
    await browser.close();
    await server.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  const runs = () =>
    readdirSync(join(folder, ".lathe/runs")).map((name) => join(folder, ".lathe/runs", name));
  const record = (run: string) =>
    JSON.parse(readFileSync(join(run, "run.json"), "utf8")) as { state: string };

  test("opens the walkthrough, whose first step is there to be read", async () => {
    onTestFailed(() => window.screenshot("failed-walkthrough"));
    await window.command("Lathe: Open Walkthrough");
    await window.page.getByText("Shrink a language model").first().waitFor();
    await window.page.waitForTimeout(1000);
    await window.screenshot("walkthrough");
    await window.command("View: Close All Editors");
  });

  test("runs the quick example and sees its curve under the cell that trains", async () => {
    onTestFailed(() => window.screenshot("failed-run"));
    await window.openFile("quick.lathe.md");
    await window.page.locator(".notebookOverlay").waitFor();
    await window.runAll();
    await window.scrollNotebookTo("max_steps");
    await window.outputs.locator("canvas").first().waitFor({ timeout: 60_000 });
    await window.page.waitForTimeout(8000);
    await window.screenshot("running");
    await expect.poll(() => runs().length, { timeout: 30_000 }).toBe(2);
  });

  test("looks at the side panel while it runs", async () => {
    onTestFailed(() => window.screenshot("failed-tree"));
    await window.openSidePanel();
    await window.page.waitForTimeout(2000);
    await window.screenshot("side-panel");
    await expect
      .poll(() => runs().map((run) => record(run).state), { timeout: 120_000 })
      .toEqual(["done", "done"]);
    await window.page.waitForTimeout(2000);
    await window.screenshot("done");
  });

  for (const panel of ["Runs", "Charts"])
    test(`opens the panel ${panel}`, async () => {
      onTestFailed(() => window.screenshot(`failed-${panel}`));
      await window.command(`Lathe: Open ${panel}`);
      await window.panel.getByText("dense").first().waitFor();
      await window.page.waitForTimeout(1500);
      await window.screenshot(panel.toLowerCase());
    });
});
