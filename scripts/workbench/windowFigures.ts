/** Measures the workbench with many runs and a long history in a real VS Code, in a real browser. */
import { renameSync } from "node:fs";
import { join } from "node:path";
import { Study } from "../../test/vscode/support/study";
import { noWindow, type Window } from "../../test/vscode/support/window";
import { findDescendants, readMemory, printFigure, printLoad, getProcessorTime } from "./figures";
import type { Counts } from "./createRuns";

/** Takes the runs of the workspace into a folder of its own. */
export async function printWindowFigures(workspace: string, counts: Counts): Promise<void> {
  console.log("\nVS Code");
  const study = await openStudy();
  if (study === undefined) return;
  try {
    renameSync(join(workspace, ".lathe"), join(study.folder, ".lathe"));
    const window = await study.window();
    // Work that VS Code does by itself after its start is not part of these figures.
    await waitUntilIdle();
    printLoad();
    const host = study.server.processes("--type=extensionHost")[0]!;
    const baseline = readMemory(host).now;
    await measureTree(window, study, counts);
    printHost("memory of the extension host, runs in the tree", host, baseline);
    await measureActivation(window);
    await measureCharts(window, study, counts);
    await measureTable(window, counts);
    printHost("memory of the extension host, charts and table open", host, baseline);
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
async function waitUntilIdle(): Promise<void> {
  const readProcessorTime = () => getProcessorTime(findDescendants(""));
  for (let attempt = 0, previous = readProcessorTime(); attempt < 30; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = readProcessorTime();
    if (now - previous < 100) return;
    previous = now;
  }
}

/** From the click on Lathe's icon, which activates the extension, to the first run in the tree. */
async function measureTree(window: Window, study: Study, { runs }: Counts): Promise<void> {
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
  const listProcesses = () => [
    ...study.server.processes("--type=extensionHost"),
    ...study.server.processes("backend.cjs"),
  ];
  const processorBefore = getProcessorTime(listProcesses());
  await page.locator('.activitybar [aria-label^="Lathe"]').first().click();
  const wall = await page.evaluate<number>("window.latheRows");
  const used = getProcessorTime(listProcesses()) - processorBefore;
  printFigure("click on Lathe's icon to the first rows, activation included", `${wall.toFixed(0)} ms`);
  printFigure("processor of host and service by then", `${used} ms`);
  // In the tree, not on the screen: a hint may lie over the row by then.
  await page
    .locator(`.part.sidebar [role="treeitem"][aria-label*="${runs.toLocaleString("en-US")} runs"]`)
    .first()
    .waitFor({ state: "attached" });
}

/** VS Code's own figure. */
export async function measureActivation(window: Window): Promise<void> {
  await window.command("Developer: Show Running Extensions");
  const row = window.page
    .locator(".runtime-extensions-editor .monaco-list-row", { hasText: "Lathe" })
    .first();
  const text = await row.locator(".activation-time").textContent();
  printFigure("activation of the extension, as reported by VS Code", text ?? "not reported");
  await window.command("View: Close All Editors");
}

function printHost(label: string, pid: number, empty: number): void {
  const { now, own } = readMemory(pid);
  // 1 MiB is 1.048576 MB.
  const megabytes = (mebibytes: number) => `${(mebibytes * 1.048576).toFixed(0)} MB`;
  printFigure(
    label,
    `${megabytes(own)} of its own, ${megabytes(now)} with shared libraries, ${megabytes(now - empty)} more than before the activation`,
  );
}

/** From the click on the run with the long history to its curve. */
async function measureCharts(window: Window, study: Study, { lines }: Counts): Promise<void> {
  const listProcesses = () => study.server.processes("backend.cjs");
  const processorBefore = getProcessorTime(listProcesses());
  const startTime = performance.now();
  await window.page.locator('.part.sidebar [role="treeitem"][aria-level="2"]').first().click();
  const drawn = window.panel.locator("table tr", { hasText: "train/loss" });
  await drawn
    .filter({ hasText: lines.toLocaleString("en-US") })
    .first()
    .waitFor({ state: "attached" });
  printFigure(
    `click on a run of ${lines} lines to its curve`,
    `${(performance.now() - startTime).toFixed(0)} ms`,
  );
  printFigure(
    "processor of the service by then",
    `${getProcessorTime(listProcesses()) - processorBefore} ms`,
  );
  await window.screenshot("bench-charts");
}

/** Most of a page further with every frame, from the top to the bottom. */
async function measureTable(window: Window, { runs }: Counts): Promise<void> {
  const startTime = performance.now();
  await window.command("Lathe: Open Runs");
  await window.panel.getByText("sizes-dense").first().waitFor();
  printFigure(`command to the table of ${runs} runs`, `${(performance.now() - startTime).toFixed(0)} ms`);
  const grid = await window.panel.locator(".grid").elementHandle();
  const frame = (await grid.ownerFrame())!;
  const listProcesses = () => findDescendants("chrom");
  const processorBefore = getProcessorTime(listProcesses());
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
  const used = (getProcessorTime(listProcesses()) - processorBefore) / frames.length;
  const sorted = [...frames].sort((a, b) => a - b);
  const getPercentile = (share: number) =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? NaN).toFixed(0);
  printFigure(
    `frames while it scrolls from top to bottom: ${frames.length}`,
    `median ${getPercentile(0.5)} ms, 95 % below ${getPercentile(0.95)} ms, longest ${getPercentile(1)} ms`,
  );
  printFigure("processor of the browser, all its processes, for a frame", `${used.toFixed(0)} ms`);
  await window.screenshot("bench-runs");
}
