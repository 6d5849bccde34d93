import { describe, expect, it } from "vitest";
import { noChromium, PageHarness } from "./pageHarness";
import { makeRuns } from "./runFolders";
import { createRunsWorkspace, RunsTable } from "./runsTable";

describe.skipIf(noChromium !== undefined)(`the table of 5,000 runs${noChromium ?? ""}`, () => {
  it("draws only the visible rows, and sorts and filters all rows immediately", async () => {
    const workspace = createRunsWorkspace();
    makeRuns(workspace, 5000);
    const harness = await PageHarness.open(workspace);
    const page = await harness.panel("runs", {}, { width: 1360, height: 820 });
    const table = new RunsTable(page);
    await table.rows().first().waitFor();
    await expect.poll(() => table.grid.getAttribute("aria-rowcount")).toBe("5001");
    expect(await table.rows().count()).toBeLessThan(60);

    // Scrolls by most of a page every frame. Only the page's own work counts: drawing is slow without a GPU.
    const devtools = await page.page.context().newCDPSession(page.page);
    await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
    const seconds = async () => {
      const { metrics } = await devtools.send("Performance.getMetrics");
      return metrics.find(({ name }) => name === "ScriptDuration")!.value;
    };
    const before = await seconds();
    const frames = 40;
    await page.page.evaluate(`new Promise((resolve) => {
      const grid = document.querySelector(".grid");
      let left = ${frames};
      const step = () => {
        grid.scrollTop += 500;
        if (--left > 0) requestAnimationFrame(step);
        else resolve();
      };
      requestAnimationFrame(step);
    })`);
    const frame = ((await seconds()) - before) / frames;
    console.log(`5,000 runs: ${(frame * 1000).toFixed(1)} ms of work a frame while scrolling`);
    expect(frame).toBeLessThan(0.06);
    await expect.poll(() => table.rows().count()).toBeLessThan(70);

    await table.cell(1, 1).click();
    await page.page.keyboard.press("Control+End");
    await expect.poll(() => page.page.evaluate("document.activeElement.dataset.row")).toBe("5000");
    const began = performance.now();
    await table.header("Name").click();
    await expect.poll(() => table.header("Name").getAttribute("aria-sort")).toBe("ascending");
    await table.filter("variant:dense loss<2");
    await expect.poll(() => table.status().innerText()).toMatch(/of 5,000/);
    console.log(`5,000 runs: ${Math.round(performance.now() - began)} ms to sort and filter`);
    expect(page.faults).toEqual([]);
    await harness.close();
  }, 120_000);
});
