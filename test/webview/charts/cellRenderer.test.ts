/** The output of a cell as the notebook shows it: from a snapshot alone, and live. */
import { describe, expect, it } from "vitest";
import type { Block } from "../../../src/protocol/blocks";
import type { CellOutput } from "../../../src/protocol/cellOutput";
import type { StepResult } from "../../../src/protocol/service/runs";
import { createCellOutput } from "../cellOutputs";
import type { TestPage } from "../pageHarness";
import { WrittenRun } from "../sampleRuns";
import { usePages, useWorkspace } from "../usePages";

describe("the output of a cell", () => {
  const workspace = useWorkspace();
  const three: WrittenRun[] = [];
  const pages = usePages(workspace, async () => {
    for (const [i, name] of ["dense", "grouped", "kronecker"].entries())
      three.push(
        await WrittenRun.write(workspace, {
          name,
          seed: i + 1,
          floor: 1.5 + i * 0.22,
          state: i === 2 ? "done" : "running",
          lines: i === 2 ? 400 : 290 + i * 55,
        }),
      );
  });

  const outputOf = (
    runs: readonly WrittenRun[],
    steps: (run: number) => readonly StepResult[] = () => [training],
  ): Promise<CellOutput> => createCellOutput(pages.harness, runs, { steps, isStale: (run) => run === 2 });

  it.each(["dark", "light", "highContrast"] as const)(
    "is accessible and matches its screenshot, in %s",
    async (theme) => {
      const page = await pages.harness.renderer({ theme });
      await page.showOutput("one", await outputOf(three, (run) => [training, evaluation(run)]));
      await rows(page, 6);
      await page.page.mouse.move(640, 250);
      await page.page.locator(".reading").waitFor();
      await page.screenshot(`cell-${theme}`);
      expect(await page.violations()).toEqual([]);
      expect(page.faults).toEqual([]);
      await page.close();
    },
  );

  it("shows its snapshot without a service", async () => {
    const page = await pages.harness.renderer({ messaging: false });
    await page.showOutput("one", await outputOf(three));
    await rows(page, 6);
    expect(await page.page.getByRole("button", { name: /Stop|Pause|Open in Charts/ }).count()).toBe(0);
    expect(await page.page.getByLabel("Axis").locator("option").allInnerTexts()).toEqual(["Steps"]);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("shows the load of the cards of running runs, each card once", async () => {
    const page = await pages.harness.renderer({ messaging: false });
    const { runs, ...output } = await outputOf(three);
    const value = (last: number) => ({ last, min: last, max: last });
    const load = {
      "gpu/0/utilization": value(87.4),
      "gpu/0/memory_gb": value(45.2),
      "gpu/0/power": value(610),
    };
    const device = { name: "torch:cuda", description: "NVIDIA H200", reason: "selected by name" };
    await page.showOutput("one", {
      ...output,
      runs: runs.map((run) => ({
        ...run,
        summary: { ...run.summary, device, metrics: { ...run.summary.metrics, ...load } },
      })),
    });
    expect(await page.page.locator(".cards").allInnerTexts()).toEqual(["Card 0: 87 %, 45.20 GB, 610 W"]);
    await page.showOutput("two", { ...output, runs });
    expect(await page.page.locator(".cards").count()).toBe(1);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("follows a run from its snapshot, without a gap and without a new output", async () => {
    const run = await WrittenRun.write(workspace, { name: "followed", state: "running", lines: 30 });
    const output = await outputOf([run]);
    run.grow(10);
    const page = await pages.harness.renderer();
    await page.showOutput("one", output);
    await expect.poll(() => table(page).then(([, train]) => train)).toContain("step 1 step 40");
    run.grow(25);
    await expect.poll(() => table(page).then(([, train]) => train)).toContain("step 1 step 65");
    await expect.poll(() => page.page.locator(".progress .words").innerText()).toBe("65 of 400");
    run.folder.update({ state: "stopped" });
    await page.page.getByRole("button", { name: "Resume followed" }).waitFor();
    await page.close();
  });

  it("draws the mean of its runs with a band, and colors each run as Charts does", async () => {
    const page = await pages.harness.renderer();
    const output = await outputOf(three);
    await page.showOutput("one", output);
    await rows(page, 6);
    const charts = await pages.harness.panel("charts", { runs: three.map(({ path }) => path) });
    const marks = (each: typeof page) =>
      each.page
        .locator(".legend .entry[title] .sample")
        .evaluateAll((all) => all.map((sample) => (sample as never as { outerHTML: string }).outerHTML));
    await charts.page.locator(".legend .entry[title]").nth(2).waitFor();
    await expect.poll(() => marks(page)).toEqual(await marks(charts));
    await charts.close();
    await page.page.getByLabel("Group by").selectOption("Experiment");
    await rows(page, 2);
    expect((await table(page))[0]).toMatch(/^sample \(3\) eval\/loss/);
    await page.page.getByLabel("Band").selectOption("each run");
    await page.showOutput("one", output);
    await rows(page, 2);
    await page.screenshot("cell-grouped");
    expect(await page.violations()).toEqual([]);
    expect(page.faults).toEqual([]);
    await page.page.getByLabel("Group by").selectOption("none");
    await rows(page, 6);
    await page.close();
  });

  it("keeps the chart and the selection when the editor redraws it", async () => {
    const page = await pages.harness.renderer();
    const output = await outputOf(three);
    await page.showOutput("one", output);
    await rows(page, 6);
    await page.page.evaluate(
      "window.before = document.getElementById('one').shadowRoot.querySelector('canvas')",
    );
    await page.page.getByLabel("Smoothing").fill("0.8");
    await page.page
      .locator(".legend")
      .getByRole("button", { name: /^dense/ })
      .click();
    await rows(page, 4);
    await page.showOutput("one", output);
    await rows(page, 4);
    expect(await page.page.getByLabel("Smoothing").inputValue()).toBe("0.8");
    const same = "window.before === document.getElementById('one').shadowRoot.querySelector('canvas')";
    expect(await page.page.evaluate(same)).toBe(true);
    // Scrolled out of view, discarded by the editor, and drawn again.
    await page.removeOutput("one");
    await page.showOutput("one", output);
    await rows(page, 4);
    expect(await page.page.getByLabel("Smoothing").inputValue()).toBe("0.8");
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("forwards the actions for a run, a file and the curves", async () => {
    const page = await pages.harness.renderer();
    await page.showOutput("one", await outputOf(three, (run) => [training, evaluation(run)]));
    await page.page.getByRole("button", { name: "Stop dense" }).click();
    await page.page.getByRole("button", { name: "Pause grouped" }).click();
    await page.page.getByRole("button", { name: "eval.json" }).first().click();
    await page.page.getByRole("button", { name: "Open in Charts" }).click();
    await expect.poll(() => page.asked.panels.length).toBe(1);
    expect(page.asked.commands).toEqual([
      { command: "lathe.stopRun", runs: [three[0]!.path] },
      { command: "lathe.pauseRun", runs: [three[1]!.path] },
    ]);
    expect(page.asked.opened).toEqual([{ path: "/study/eval.json" }]);
    expect(page.asked.panels).toEqual([{ panel: "charts", input: { runs: three.map(({ path }) => path) } }]);
    await page.close();
  });

  it("joins equal tables of several runs and sets their samples side by side", async () => {
    const page = await pages.harness.renderer({ messaging: false });
    await page.showOutput("one", await outputOf(three, (run) => [evaluation(run)]));
    const cells = page.page.locator("table.result tbody tr");
    expect(await cells.count()).toBe(3);
    expect(await cells.nth(1).innerText()).toMatch(/grouped\s+validation\s+48,211/);
    expect(await page.page.locator(".sample-text").first().innerText()).toBe("export function prune()\n  {}");
    expect(await page.page.locator(".samples .sample-text").count()).toBe(6);
    await page.close();
  });

  it("shows the card of a paper, and published curves beside those of the runs", async () => {
    const published = (otherScale?: string) => ({
      name: otherScale === undefined ? "here" : "elsewhere",
      metric: "eval/loss",
      firstStep: 100,
      stepInterval: 50,
      tokensPerStep: 2048,
      values: [3, 2.5, 2.25],
      ...(otherScale === undefined ? {} : { otherScale }),
    });
    const output = await outputOf(three);
    const runs = output.runs.map((run) => ({
      ...run,
      summary: { ...run.summary, references: [published(), published("full")] },
    }));
    const card: Block[] = [
      { kind: "table", title: "Published and reproduced", columns: ["verdict"], rows: [["reproduced"]] },
      { kind: "text", text: "Of 1 published numbers, 1 are reproduced." },
    ];
    const page = await pages.harness.renderer();
    await page.showOutput("one", { ...output, runs, card });
    await rows(page, 7);
    expect((await table(page)).at(-1)).toBe("here, published eval/loss step 100 step 200 2.25 2.25 3");
    await page.page.getByText("Of 1 published numbers").waitFor();
    expect(await page.page.locator("table.result tbody tr").count()).toBe(1);
    // Curves published at another scale are available on request.
    const entry = page.page.locator(".legend").getByRole("button", { name: /^elsewhere/ });
    expect(await entry.getAttribute("aria-pressed")).toBe("false");
    await entry.click();
    await rows(page, 8);
    await page.page.getByLabel("Axis").selectOption("tokens");
    await expect.poll(() => table(page).then((all) => all.at(-1))).toContain("204,800 tokens 409,600 tokens");
    await page.page.getByRole("button", { name: "Save points as CSV" }).click();
    await expect.poll(() => page.asked.saved.length).toBe(1);
    const { content } = page.asked.saved[0]!;
    expect("text" in content ? content.text : "").toContain('"here, published",eval/loss,204800,3\r\n');
    // Their duration in seconds varies.
    await page.page.getByLabel("Axis").selectOption("seconds");
    await rows(page, 6);
    expect(await page.violations()).toEqual([]);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("folds notices into one line, and shows one of several runs once", async () => {
    const runs = await Promise.all(
      [1, 2, 3].map((seed) =>
        WrittenRun.write(workspace, {
          name: `noticed-${seed}`,
          seed,
          lines: 5,
          record: { notices: ["It runs on the processor.", ...(seed === 2 ? ["A row was left out."] : [])] },
        }),
      ),
    );
    const page = await pages.harness.renderer();
    await page.showOutput("one", await outputOf(runs));
    const summary = page.page.locator("summary");
    await summary.waitFor();
    expect(await summary.innerText()).toBe("2 notices: 3 runs: It runs on the processor.");
    const notices = page.page.locator(".notices .note");
    expect(await notices.first().isVisible()).toBe(false);
    await summary.press("Enter");
    await notices.first().waitFor();
    expect(await summary.innerText()).toBe("2 notices");
    expect(await notices.allInnerTexts()).toEqual([
      "3 runs: It runs on the processor.",
      "noticed-2: A row was left out.",
    ]);
    await page.close();
  });

  it("shows markup in names, tables, samples and messages as text", async () => {
    const bad = `<img src=x onerror="document.title='owned'">\u001b]0;x\u0007`;
    const run = await WrittenRun.write(workspace, {
      name: bad,
      lines: 20,
      state: "failed",
      record: { failure: { code: "internal", message: bad }, notices: [bad] },
    });
    const blocks: Block[] = [
      { kind: "table", title: bad, columns: [bad], rows: [[bad]] },
      { kind: "samples", title: bad, samples: [{ prompt: bad, text: bad }] },
      { kind: "text", text: bad },
      { kind: "file", label: bad, path: bad },
    ];
    const page = await pages.harness.renderer();
    const steps = [{ index: 0, action: bad, state: "done" as const, blocks }];
    await page.showOutput("one", await outputOf([run], () => steps));
    await page.page.getByText("<img src=x").first().waitFor();
    expect(await page.page.getByText("<img src=x").count()).toBeGreaterThan(9);
    expect(await page.page.locator("img").count()).toBe(0);
    expect(await page.page.title()).toBe("Notebook");
    expect(page.faults).toEqual([]);
    await page.close();
  });
});

const training: StepResult = { index: 0, action: "train", state: "running", blocks: [] };

const evaluation = (run: number): StepResult => ({
  index: 1,
  action: "evaluate",
  state: "done",
  blocks: [
    {
      kind: "table",
      title: "Perplexity, stride 128",
      columns: ["split", "tokens", "loss", "perplexity"],
      rows: [["validation", 48_211, 1.712 + run * 0.2, 5.54 + run]],
    },
    {
      kind: "samples",
      title: "Samples, temperature 0.8",
      samples: [
        { prompt: "export function ", text: "prune()\n  {}" },
        { prompt: "import ", text: '{ Model } from "./model";' },
      ],
    },
    { kind: "file", label: "eval.json", path: "/study/eval.json", bytes: 1834 },
  ],
});

async function rows(page: TestPage, count: number): Promise<void> {
  await expect.poll(() => table(page).then(({ length }) => length)).toBe(count);
}

/** The text alternative for screen readers. */
function table(page: TestPage): Promise<string[]> {
  const found = page.page.locator("section.chart tbody tr");
  return found.evaluateAll((all) =>
    all.map((row) =>
      [...(row as never as { cells: Iterable<{ textContent: string }> }).cells]
        .map(({ textContent }) => textContent.trim())
        .join(" "),
    ),
  );
}
