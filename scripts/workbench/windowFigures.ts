/** Measures the workbench with many runs and a long history in a real VS Code, in a real browser. */
import { renameSync } from "node:fs";
import { join } from "node:path";
import { Study } from "../../test/vscode/support/study";
import { noWindow, type Window } from "../../test/vscode/support/window";
import { descendants, memoryOf, print, printLoad, processor } from "./figures";
import type { Counts } from "./manyRuns";

/** Takes the runs of the workspace into a folder of its own. */
export async function printWindowFigures(workspace: string, counts: Counts): Promise<void> {
  console.log("\nVS Code");
  const study = await openStudy();
  if (study === undefined) return;
  try {
    renameSync(join(workspace, ".lathe"), join(study.folder, ".lathe"));
    const window = await study.window();
    // Work that VS Code does by itself after its start is not part of these figures.
    await quiet();
    printLoad();
    const host = study.server.processes("--type=extensionHost")[0]!;
    const empty = memoryOf(host).now;
    await tree(window, study, counts);
    printHost("memory of the extension host, runs in the tree", host, empty);
    await activation(window);
    await charts(window, study, counts);
    await table(window, counts);
    printHost("memory of the extension host, charts and table open", host, empty);
    printLoad();
  } finally {
    await study.close();
  }
}

/** Undefined, with a message, if no VS Code can be installed. */
async function openStudy(): Promise<Study | undefined> {
  try {
    const reason = noWindow();
    if (reason === undefined) return await Study.open();
    console.log(`No figures: ${reason}.`);
  } catch (thrown) {
    console.log(`No figures: ${(thrown as Error).message}`);
  }
  return undefined;
}

/** Until the browser, the server and the extension host have little to do, or for half a minute. */
async function quiet(): Promise<void> {
  const busy = () => processor(descendants(""));
  for (let tries = 0, before = busy(); tries < 30; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = busy();
    if (now - before < 100) return;
    before = now;
  }
}

/** From the click on Lathe's icon, which activates the extension, to the first run in the tree. */
async function tree(window: Window, study: Study, { runs }: Counts): Promise<void> {
  const { page } = window;
  await page.evaluate(`
    document.addEventListener("pointerdown", () => (window.latheClick = performance.now()), { capture: true, once: true });
    window.latheRows = (async () => {
      const row = '.part.sidebar [role="treeitem"][aria-level="2"][aria-label*=", done"]';
      while (document.querySelector(row) === null) await new Promise(requestAnimationFrame);
      return performance.now() - window.latheClick;
    })();
    void 0;
  `);
  const pids = () => [
    ...study.server.processes("--type=extensionHost"),
    ...study.server.processes("backend.cjs"),
  ];
  const before = processor(pids());
  await page.locator('.activitybar [aria-label^="Lathe"]').first().click();
  const wall = await page.evaluate<number>("window.latheRows");
  const used = processor(pids()) - before;
  print("click on Lathe's icon to the first rows, activation included", `${wall.toFixed(0)} ms`);
  print("processor of host and service by then", `${used} ms`);
  // In the tree, not on the screen: a hint may lie over the row by then.
  await page
    .locator(`.part.sidebar [role="treeitem"][aria-label*="${runs.toLocaleString("en-US")} runs"]`)
    .first()
    .waitFor({ state: "attached" });
}

/** VS Code's own figure. */
async function activation(window: Window): Promise<void> {
  await window.command("Developer: Show Running Extensions");
  const row = window.page
    .locator(".runtime-extensions-editor .monaco-list-row", { hasText: "Lathe" })
    .first();
  const text = await row.locator(".activation-time").textContent();
  print("activation of the extension, as reported by VS Code", text ?? "not reported");
  await window.command("View: Close All Editors");
}

function printHost(what: string, pid: number, empty: number): void {
  const { now, own } = memoryOf(pid);
  // 1 MiB is 1.048576 MB.
  const megabytes = (mebibytes: number) => `${(mebibytes * 1.048576).toFixed(0)} MB`;
  print(
    what,
    `${megabytes(own)} of its own, ${megabytes(now)} with shared libraries, ${megabytes(now - empty)} more than before the activation`,
  );
}

/** From the click on the run with the long history to its curve. */
async function charts(window: Window, study: Study, { lines }: Counts): Promise<void> {
  const pids = () => study.server.processes("backend.cjs");
  const before = processor(pids());
  const begun = performance.now();
  await window.page.locator('.part.sidebar [role="treeitem"][aria-level="2"]').first().click();
  const drawn = window.panel.locator("table tr", { hasText: "train/loss" });
  await drawn
    .filter({ hasText: lines.toLocaleString("en-US") })
    .first()
    .waitFor({ state: "attached" });
  print(`click on a run of ${lines} lines to its curve`, `${(performance.now() - begun).toFixed(0)} ms`);
  print("processor of the service by then", `${processor(pids()) - before} ms`);
  await window.screenshot("bench-charts");
}

/** Most of a page further with every frame, from the top to the bottom. */
async function table(window: Window, { runs }: Counts): Promise<void> {
  const begun = performance.now();
  await window.command("Lathe: Open Runs");
  await window.panel.getByText("sizes-dense").first().waitFor();
  print(`command to the table of ${runs} runs`, `${(performance.now() - begun).toFixed(0)} ms`);
  const grid = await window.panel.locator(".grid").elementHandle();
  const frame = (await grid.ownerFrame())!;
  const pids = () => descendants("chrom");
  const before = processor(pids());
  const frames = await frame.evaluate<number[]>(`(async () => {
    const grid = document.querySelector(".grid");
    const times = [];
    let last = await new Promise(requestAnimationFrame);
    while (grid.scrollTop + grid.clientHeight < grid.scrollHeight - 1) {
      grid.scrollTop += grid.clientHeight / 2;
      const now = await new Promise(requestAnimationFrame);
      times.push(now - last);
      last = now;
    }
    return times;
  })()`);
  const used = (processor(pids()) - before) / frames.length;
  const sorted = [...frames].sort((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? NaN).toFixed(0);
  print(
    `frames while it scrolls from top to bottom: ${frames.length}`,
    `median ${at(0.5)} ms, 95 % below ${at(0.95)} ms, longest ${at(1)} ms`,
  );
  print("processor of the browser, all its processes, for a frame", `${used.toFixed(0)} ms`);
  await window.screenshot("bench-runs");
}
