/** Figures of evaluations below the cell that measured them. */
import { describe, expect, it } from "vitest";
import { createMeasuredFigures } from "../../../src/backend/report/evaluationFigures";
import type { Block } from "../../../src/protocol/blocks";
import type { StepResult } from "../../../src/protocol/service/runs";
import { createCellOutput } from "../cellOutputs";
import type { TestPage } from "../pageHarness";
import { WrittenRun } from "../sampleRuns";
import { usePages, useWorkspace } from "../usePages";

const bad = `<img src=x onerror="document.title='owned'">`;

describe("the figures of a cell", () => {
  const workspace = useWorkspace();
  const runs: WrittenRun[] = [];
  const pages = usePages(workspace, async () => {
    for (const [i, variant] of ["full", "window", "h2o", "snapkv"].entries())
      for (const seed of [0, 1])
        runs.push(
          await WrittenRun.write(workspace, {
            name: `${variant}-${seed}`,
            variant,
            seed: 1 + 2 * i + seed,
            lines: 5,
            record: { seconds: 12 },
          }),
        );
  });

  async function show(
    page: TestPage,
    shown: readonly WrittenRun[],
    blocks: (run: number) => readonly Block[],
  ): Promise<void> {
    const steps = (run: number): StepResult[] => [
      { index: 1, action: "evaluate", state: "done", blocks: blocks(run) },
    ];
    const output = await createCellOutput(pages.harness, shown, { steps });
    const seeded = output.runs.map((run) => ({
      ...run,
      summary: { ...run.summary, seed: Number(run.summary.name.at(-1)) },
    }));
    await page.showOutput("one", { ...output, runs: seeded });
    await page.page.locator("figure svg").first().waitFor();
  }

  /** The first variant keeps all tokens, but has exits. */
  const measure = (run: number): Block[] => [
    { kind: "table", title: "cache", columns: ["metric", "value"], rows: [["cache/loss", 1.5 + run / 10]] },
    ...createMeasuredFigures("retrieval", createRetrieval(run)),
    ...(run === 0
      ? createMeasuredFigures("exits", exits)
      : createMeasuredFigures("cache", createKept(256, 2, 4, run))),
  ];

  it.each(["dark", "light", "highContrast", "highContrastLight"] as const)(
    "are accessible and match their screenshot, in %s",
    async (theme) => {
      const page = await pages.harness.renderer({ theme });
      await show(page, [runs[0]!, runs[2]!, runs[4]!], measure);
      expect(await page.page.locator("figure").count()).toBe(6);
      const kept = page.page.getByRole("group", { name: /^Tokens in the cache of h2o-0/ });
      await kept.press("End");
      await page.screenshot(`cell-figures-${theme}`);
      expect(await page.violations()).toEqual([]);
      expect(page.faults).toEqual([]);
      await page.close();
    },
  );

  // The last is a window of 900 pixels at 200 %.
  it.each([600, 450])("fit into a page of %i pixels", async (width) => {
    const page = await pages.harness.renderer({ theme: "light", width });
    await show(page, [runs[0]!, runs[2]!], measure);
    await page.screenshot(`cell-figures-${width}`);
    const outside = await page.page.locator("figure svg.picture, figure .reader").evaluateAll((all) => {
      const right = (each: unknown) =>
        (each as { getBoundingClientRect(): { right: number } }).getBoundingClientRect().right;
      const edge = (globalThis as unknown as { innerWidth: number }).innerWidth;
      return all.filter((each) => right(each) > edge + 1).length;
    });
    expect(outside).toBe(0);
    // Drawn for the width instead of scaled down: text keeps its size.
    const scales = await page.page.locator("figure svg.picture").evaluateAll((all) =>
      all.map((each) => {
        const svg = each as unknown as { clientWidth: number; getAttribute(name: string): string };
        return svg.clientWidth / Number(svg.getAttribute("width"));
      }),
    );
    for (const scale of scales) expect(scale).toBeGreaterThan(0.97);
    expect(await page.violations()).toEqual([]);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("are drawn again when the editor changes its width or its theme", async () => {
    const page = await pages.harness.renderer({ width: 1000 });
    await show(page, [runs[2]!], measure);
    const picture = page.page.locator("figure svg.picture").first();
    await page.page.setViewportSize({ width: 380, height: 700 });
    await expect.poll(async () => Number(await picture.getAttribute("width"))).toBeLessThan(381);
    const fill = () => page.page.locator("figure svg.picture path").first().getAttribute("fill");
    const before = await fill();
    await page.setTheme("light");
    await expect.poll(fill).not.toBe(before);
    await page.close();
  });

  it("are read cell by cell with the arrow keys and with the pointer", async () => {
    const page = await pages.harness.renderer({ messaging: false });
    await show(page, [runs[0]!], (run) => createMeasuredFigures("retrieval", createRetrieval(run)));
    const map = page.page.getByRole("group", { name: /^Retrieval by depth and length of full-0: / });
    const reading = page.page.locator(".picture-reading");
    await map.press("ArrowRight");
    await expect.poll(() => reading.innerText()).toBe("depth 0, tokens of the prompt 256: 100.0 %, 10 of 10");
    await map.press("ArrowRight");
    await map.press("ArrowDown");
    await expect.poll(() => reading.innerText()).toBe("depth 0.5, tokens of the prompt 512: 80.0 %, 8 of 10");
    await map.press("End");
    await map.press("ArrowRight");
    await expect
      .poll(() => reading.innerText())
      .toBe("depth 0.5, tokens of the prompt 1024: 70.0 %, 7 of 10");
    await map.press("Escape");
    await expect.poll(() => reading.innerText()).toBe("");
    const box = (await map.locator("svg.picture").first().boundingBox())!;
    // The last cell: right of the names, above the axis.
    await page.page.mouse.move(box.x + box.width - 20, box.y + 46 + 2.5 * 34);
    await expect.poll(() => reading.innerText()).toBe("depth 1, tokens of the prompt 1024: 40.0 %, 4 of 10");
    await page.page.mouse.move(box.x + 2, box.y + 60);
    await expect.poll(() => reading.innerText()).toBe("");
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("are read part by part where rows have parts of their own widths", async () => {
    const page = await pages.harness.renderer({ messaging: false, width: 600 });
    await show(page, [runs[0]!], () => createMeasuredFigures("exits", exits));
    const bars = page.page.getByRole("group", { name: /^Where tokens leave of full-0: Share of tokens/ });
    const reading = page.page.locator(".picture-reading");
    await bars.press("End");
    await expect.poll(() => reading.innerText()).toBe("threshold 0.5: all layers, 20.0 %");
    await bars.press("ArrowLeft");
    await bars.press("ArrowDown");
    await expect.poll(() => reading.innerText()).toBe("threshold 0.9: 3 layers, 1.00 %");
    const box = (await bars.locator("svg.picture").boundingBox())!;
    // The middle of the last bar, which a single part fills.
    await page.page.mouse.move(box.x + box.width - 150, box.y + 40 + 2.4 * 28);
    await expect.poll(() => reading.innerText()).toBe("threshold 2: all layers, 100.0 %");
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("show the tokens of a text as text", async () => {
    const page = await pages.harness.renderer({ messaging: false });
    const kept = { policy: bad, kept: { tokens: [bad, "b"], layers: [[[0], [1]]] } };
    await show(page, [runs[2]!], () => createMeasuredFigures("cache", kept));
    const picture = page.page.getByRole("group", { name: /^Tokens in the cache of window-0: <img/ });
    await picture.press("Home");
    const reading = page.page.locator(".picture-reading");
    await expect.poll(() => reading.innerText()).toContain("position 0, layer 0, head 0: kept");
    expect(await reading.innerText()).toContain("<img src=x");
    await picture.press("ArrowDown");
    await picture.press("ArrowDown");
    await expect.poll(() => reading.innerText()).toContain("position 0: in 1 of 2 heads");
    expect(await page.page.locator("img").count()).toBe(0);
    expect(await page.page.title()).toBe("Notebook");
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("of many runs are drawn on request, and those of every variant come first", async () => {
    const page = await pages.harness.renderer();
    await show(page, runs, (run) => createMeasuredFigures("retrieval", createRetrieval(run)));
    const names = () => page.page.locator("figure .name").allInnerTexts();
    expect(await names()).toEqual(["full-0", "window-0", "h2o-0", "snapkv-0", "full-1", "window-1"]);
    const note = page.page.locator(".note", { hasText: "2 more runs" });
    expect(await note.innerText()).toContain("The figures of 2 more runs are not drawn.");
    await page.page.getByRole("button", { name: "Draw all" }).press("Enter");
    await expect.poll(names).toHaveLength(8);
    expect(await note.count()).toBe(0);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("of a long text with many heads are small enough to draw", async () => {
    const page = await pages.harness.renderer({ theme: "light" });
    await show(page, [runs[2]!], () => createMeasuredFigures("cache", createKept(8000, 24, 8, 1)));
    await page.screenshot("cell-figures-long");
    expect(await page.page.locator("figure svg.picture *").count()).toBeLessThan(1500);
    await page.page.getByText("8 tokens a column, 8 heads a row").waitFor();
    await page.close();
  });
});

const exits = {
  thresholds: [0.5, 0.9, 2].map((threshold, i) => ({
    threshold,
    layers: [1, 3, 6],
    shares: [
      [0.5, 0.3, 0.2],
      [0.25, 0.01, 0.74],
      [0, 0, 1],
    ][i]!,
  })),
};

/** Fewer right answers with depth, length and the number of the run. */
function createRetrieval(run: number) {
  const cells = [256, 512, 1024].flatMap((length, i) =>
    [0, 0.5, 1].map((depth, j) => ({
      length,
      depth,
      correct: Math.max(0, 10 - (i + 1) * j - run * j),
      samples: 10,
    })),
  );
  return { cells };
}

/** The first four tokens, the last eighth, and every so many in between, which differ by head. */
function createKept(length: number, layers: number, heads: number, run: number) {
  const words = ["the", " model", " reads", " a", " text", ".", "\n"];
  const tokens = Array.from({ length }, (_, i) => words[i % words.length]!);
  const rows = Array.from({ length: layers }, (_, layer) =>
    Array.from({ length: heads }, (__, head) =>
      tokens.flatMap((___, i) =>
        i < 4 || i >= 0.875 * length || (i * (layer + 2) + head * run) % 11 === 0 ? [i] : [],
      ),
    ),
  );
  return { policy: ["full", "window", "h2o"][run] ?? "h2o", kept: { tokens, layers: rows } };
}
