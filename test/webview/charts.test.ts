import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noChromium, PageHarness } from "./pageHarness";
import { WrittenRun } from "./sampleRuns";

describe.skipIf(noChromium !== undefined)("charts", () => {
  let workspace: string;
  let harness: PageHarness;
  const runs: WrittenRun[] = [];
  beforeAll(async () => {
    workspace = realpathSync(mkdtempSync(join(tmpdir(), "lathe-charts-")));
    const names = ["dense", "grouped 16", "grouped 32", "kronecker", "low rank 64", "low rank 16", "2:4 masked", "tied rows", "half width", "quantised"];
    for (const [i, name] of names.entries())
      runs.push(await WrittenRun.write(workspace, { name: `wikitext-${name}`, seed: i + 1, floor: 1.5 + i * 0.12, start: 5.4 + (i % 3) * 0.15, system: true, ...(i === 9 ? { state: "running", lines: 260 } : {}) }));
    harness = await PageHarness.open(workspace);
  });
  afterAll(async () => {
    await harness?.close();
    rmSync(workspace, { recursive: true, force: true });
  });

  it("look", async () => {
    const page = await harness.panel("charts", { runs: runs.map(({ path }) => path) }, { width: 1280, height: 860 });
    await page.page.waitForSelector("canvas");
    await page.page.waitForTimeout(1500);
    await page.screenshot("look-charts");
    console.log(page.faults, harness.log);
    expect(page.faults).toEqual([]);
  });
});
