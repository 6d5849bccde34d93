/** What the settings decide of all pages, at once and without a reload: colors of runs, and smoothing until a person sets it. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { getColor, getMark, palettes } from "../../src/pictures/palette";
import type { TestPage } from "./pageHarness";
import { WrittenRun } from "./sampleRuns";
import { usePages, useWorkspace } from "./usePages";

describe("the look of runs", () => {
  const workspace = useWorkspace();
  const runs: WrittenRun[] = [];
  const pages = usePages(workspace, async () => {
    for (const [variant, rate] of [
      ["dense", undefined],
      ["svd", 0.5],
      ["svd", 0.8],
      ["irc", 0.5],
    ] as const)
      runs.push(
        await WrittenRun.write(workspace, {
          name: `${variant}-${rate ?? 0}`,
          variant,
          experiment: "methods.lathe.md",
          lines: 60,
          sweep: rate === undefined ? {} : { [`compress.${variant}.rate`]: rate },
          measured: { "perplexity/token": 9 + 4 * (rate ?? 0) },
        }),
      );
  }, [join(workspace, "methods.lathe.md")]);

  const colorsOf = ({ page }: TestPage, selector: string) =>
    page.evaluate<string[]>(
      `[...document.querySelectorAll(${JSON.stringify(selector)})].map((each) => each.getAttribute("fill"))`,
    );
  const rowColors = async (page: TestPage) =>
    page.page.evaluate<[string, string][]>(
      `[...document.querySelectorAll(".body > .row")].map((row) => [row.querySelector(".name .name").textContent, row.querySelector(".sample path[fill]").getAttribute("fill")])`,
    );

  it("follows the settings in the table, charts and cells, until a person moves the slider", async () => {
    const folders = runs.map(({ path }) => path);
    const [table, charts, cell] = [
      await pages.harness.panel("runs", {}),
      await pages.harness.panel("charts", { runs: folders }, { width: 1300 }),
      await pages.harness.renderer(),
    ];
    const { runs: summaries } = await pages.harness.backend.request("runs.list", {});
    await cell.showOutput("one", {
      version: 1,
      runs: summaries.map((summary) => ({
        summary,
        steps: [{ index: 0, action: "train", state: "done", blocks: [] }],
        stale: false,
      })),
      series: [],
    });
    const expectColors = async (colors: readonly string[]) => {
      const wanted = colors.slice(0, 4);
      await expect
        .poll(async () => (await rowColors(table)).map(([, color]) => color).sort())
        .toEqual([...wanted].sort());
      await expect.poll(() => colorsOf(charts, ".legend .sample path[fill]")).toEqual(wanted);
      await expect
        .poll(async () =>
          (
            await cell.page
              .locator("table.runs .sample path[fill]")
              .evaluateAll((paths) =>
                paths.map((path) =>
                  (path as never as { getAttribute(name: string): string }).getAttribute("fill"),
                ),
              )
          ).sort(),
        )
        .toEqual([...wanted].sort());
    };
    const slider = (page: TestPage) => page.page.getByRole("slider", { name: "Smoothing" });
    await expectColors(palettes["default"]!.dark);
    expect(await slider(charts).inputValue()).toBe("0.3");
    pages.harness.settings = { palette: "okabe-ito", smoothing: 0.6 };
    pages.harness.looks.notify();
    cell.emit("lookChanged", pages.harness.looks.look);
    await expectColors(palettes["okabe-ito"]!.dark);
    for (const page of [charts, cell]) await expect.poll(() => slider(page).inputValue()).toBe("0.6");
    await slider(charts).fill("0.1");
    pages.harness.settings = { colors: ["#ff8800", "#00ffaa", "#8888ff", "#ffffff"], smoothing: 0 };
    pages.harness.looks.notify();
    await expectColors(["#ff8800", "#00ffaa", "#8888ff", "#ffffff"]);
    expect(await slider(charts).inputValue()).toBe("0.1");
    await expect.poll(() => slider(cell).inputValue()).toBe("0");
    // A page that opens later has them from its first drawing on.
    const later = await pages.harness.panel("charts", { runs: folders });
    await expect.poll(() => colorsOf(later, ".legend .sample path[fill]")).toHaveLength(4);
    expect(await slider(later).inputValue()).toBe("0");
    pages.harness.settings = {};
    pages.harness.looks.notify();
    for (const page of [table, charts, cell, later]) {
      expect(page.faults).toEqual([]);
      await page.close();
    }
  });

  it("is that of the oldest run of a variant for the lines of Shrink", async () => {
    const page = await pages.harness.panel("shrink", { experiment: join(workspace, "methods.lathe.md") });
    const slots = await pages.harness.looks.getSlots(runs.map(({ path }) => path));
    const [dense, svd, , irc] = runs.map(({ path }) => slots[path]!);
    const theme = { ground: "dark" } as const;
    const legend = () =>
      page.page.evaluate<string[][]>(
        `[...document.querySelectorAll(".picture")].slice(0, 1).flatMap((picture) => [...picture.querySelectorAll(":scope > path")].map((path) => [path.getAttribute("d"), path.getAttribute("fill")]))`,
      );
    for (const slot of [dense!, svd!, irc!])
      await expect.poll(legend).toContainEqual([getMark(slot), getColor(slot, theme)]);
    await page.close();
  });
});
