/** The views above the table of runs: parallel axes, points and importances over the runs that the filter leaves. */
import { describe, expect, it } from "vitest";
import { findOverlaps } from "./overlaps";
import type { PageOptions } from "./pageHarness";
import { RunsTable } from "./runsTable";
import { makeSweepRuns } from "./sweepRuns";
import type { ThemeName } from "./themes";
import { usePages, useWorkspace } from "./usePages";

describe("the views of the runs", () => {
  const workspace = useWorkspace();
  const pages = usePages(workspace, () => {
    makeSweepRuns(workspace);
  });

  const open = async (options: PageOptions = {}): Promise<RunsTable> => {
    const page = await pages.harness.panel("runs", {}, { width: 1400, height: 1000, ...options });
    await page.page.locator(".body > [role=row]").first().waitFor();
    return new RunsTable(page);
  };
  const show = async (table: RunsTable, view: string) => {
    await table.page.page.getByRole("button", { name: view, exact: true }).click();
    await table.page.page.locator("section.view").waitFor();
  };
  const axes = ({ page }: RunsTable) => page.page.locator(".axes li .name").allInnerTexts();
  const filterText = ({ page }: RunsTable) => page.page.locator("vscode-textfield.filter input").inputValue();
  const waitForSettings = (table: RunsTable) =>
    expect.poll(() => axes(table)).toEqual(["learning_rate", "optimizer", "hidden_size", "eval/loss"]);
  const close = async ({ page }: RunsTable) => {
    expect(page.faults).toEqual([]);
    await page.close();
  };

  it("offer the settings that differ, without columns in the table", async () => {
    const table = await open();
    await show(table, "Parallel coordinates");
    await waitForSettings(table);
    expect(await table.header("model.hidden_size").count()).toBe(0);
    const labels = await table.page.page.locator("svg.picture text").allTextContents();
    expect(labels).toEqual(expect.arrayContaining(["adamw", "sgd", "1e−4", "0.01", "64", "256"]));
    await close(table);
  });

  it("filter the table by a brush, which is a term of the filter and is lifted by a press", async () => {
    const table = await open();
    await show(table, "Parallel coordinates");
    await waitForSettings(table);
    const { page } = table.page;
    const target = (await page.locator(".axis-target").first().boundingBox())!;
    const x = target.x + target.width / 2;
    // The upper half of a logarithmic axis from 1e-4 to 1e-2, beyond its end.
    await page.mouse.move(x, target.y + target.height / 2);
    await page.mouse.down();
    await page.mouse.move(x, target.y + 30, { steps: 4 });
    await page.mouse.move(x, target.y, { steps: 2 });
    await page.mouse.up();
    await expect.poll(() => filterText(table)).toMatch(/^train\.learning_rate>=0\.00\d+$/);
    await expect.poll(() => table.status().innerText()).toMatch(/^1\d of 32 runs/);
    // The axis keeps its scale and its other runs, faint.
    expect(await page.locator("svg.picture text", { hasText: "1e−4" }).count()).toBe(1);
    await page.locator(".brush").waitFor();
    await page.mouse.click(x, target.y + 60);
    await expect.poll(() => filterText(table)).toBe("");
    await expect.poll(() => table.status().innerText()).toBe("32 runs");
    await close(table);
  });

  it("read the line at the pointer, and select its run in the table by a press", async () => {
    const table = await open();
    await show(table, "Parallel coordinates");
    await waitForSettings(table);
    const { page } = table.page;
    const target = (await page.locator(".axis-target").first().boundingBox())!;
    // The upper end of the first axis, a little to its right.
    await page.mouse.move(target.x + target.width + 14, target.y + 12);
    await page.locator(".hovered polyline").waitFor();
    const reading = await page.locator(".reading").innerText();
    expect(reading).toMatch(/^run \d+: learning_rate 0\.01, optimizer/);
    await page.mouse.down();
    await page.mouse.up();
    await expect.poll(() => table.status().innerText()).toBe("32 runs, 1 selected");
    const selected = table.rows().and(page.locator(".selected")).first();
    expect(reading).toContain(`${await selected.locator(".name .name").first().innerText()}:`);
    await close(table);
  });

  it("take and show ranges by keyboard, and what is typed into the filter", async () => {
    const table = await open();
    await show(table, "Parallel coordinates");
    await waitForSettings(table);
    const { page } = table.page;
    await page.getByRole("button", { name: "learning_rate", exact: true }).press("Enter");
    const from = page.getByLabel("learning_rate from");
    await from.press("ArrowUp");
    await expect.poll(() => filterText(table)).toBe("train.learning_rate>=0.0003");
    await page.getByLabel("learning_rate to").fill("1e-3");
    await page.getByLabel("learning_rate to").press("Enter");
    await expect.poll(() => filterText(table)).toBe("train.learning_rate>=0.0003 train.learning_rate<=0.001");
    await from.fill("much");
    await from.press("Enter");
    expect(await from.inputValue()).toBe("0.0003");
    await table.filter("learning_rate>=0.003");
    await expect.poll(() => from.inputValue()).toBe("0.003");
    await page.getByRole("button", { name: "Clear range" }).press("Enter");
    await expect.poll(() => filterText(table)).toBe("");
    // Categories are ticked one by one.
    await page.getByRole("button", { name: "optimizer", exact: true }).press("Enter");
    await page.getByLabel("sgd").press("Space");
    await expect.poll(() => filterText(table)).toBe("train.optimizer=adamw");
    await expect.poll(() => table.status().innerText()).toMatch(/^1\d of 32 runs/);
    await page.getByLabel("sgd").press("Space");
    await expect.poll(() => filterText(table)).toBe("");
    await close(table);
  });

  it("move and remove axes by keyboard and mouse, and keep them over a reload", async () => {
    const table = await open();
    await show(table, "Parallel coordinates");
    await waitForSettings(table);
    const { page } = table.page;
    const axis = (name: string) => page.getByRole("button", { name, exact: true });
    await axis("optimizer").press("Alt+ArrowLeft");
    await expect.poll(() => axes(table)).toEqual(["optimizer", "learning_rate", "hidden_size", "eval/loss"]);
    await expect.poll(() => page.evaluate("document.activeElement.textContent.trim()")).toBe("optimizer");
    await axis("hidden_size").press("Delete");
    await expect.poll(() => axes(table)).toEqual(["optimizer", "learning_rate", "eval/loss"]);
    await axis("eval/loss").dragTo(axis("optimizer"));
    await expect.poll(() => axes(table)).toEqual(["eval/loss", "optimizer", "learning_rate"]);
    await page.getByRole("button", { name: "Remove the axis optimizer" }).click();
    await page.getByLabel("Add an axis").selectOption("Seed");
    await expect.poll(() => axes(table)).toEqual(["eval/loss", "learning_rate", "Seed"]);
    await page.waitForTimeout(400);
    await table.page.reload();
    await expect.poll(() => axes(table)).toEqual(["eval/loss", "learning_rate", "Seed"]);
    await page.getByRole("button", { name: "Usual axes" }).click();
    await waitForSettings(table);
    await close(table);
  });

  it("name runs without a value, and losses that were measured in different ways", async () => {
    const table = await open();
    await show(table, "Scatter");
    const { page } = table.page;
    const notes = page.locator(".notes");
    await expect.poll(() => notes.innerText()).toContain("Not drawn, because it has no eval/loss: run 30.");
    expect(await notes.innerText()).toMatch(/measured in 2 ways that are not comparable/);
    expect(await notes.innerText()).toContain("run 31");
    await expect.poll(() => page.locator(".point").count()).toBe(31);
    await show(table, "Parallel coordinates");
    await expect
      .poll(() => notes.innerText())
      .toContain("Drawn in gray, because it has no eval/loss: run 30.");
    await show(table, "Importance");
    await expect.poll(() => notes.innerText()).toMatch(/left out: run 31/);
    expect(await notes.innerText()).toContain("Left out, because it has no eval/loss: run 30.");
    await close(table);
  });

  it("select the run of a point in the table, and filter by a rectangle", async () => {
    const table = await open();
    await show(table, "Scatter");
    const { page } = table.page;
    await page.locator(".point").nth(4).waitFor();
    await page.locator(".point[tabindex='0']").focus();
    await page.keyboard.press("ArrowRight");
    await expect
      .poll(() => page.locator(".reading").innerText())
      .toMatch(/^run \d+: learning_rate .*eval\/loss/);
    await page.keyboard.press("Space");
    await expect.poll(() => table.status().innerText()).toBe("32 runs, 1 selected");
    const plot = (await page.locator("svg.picture").boundingBox())!;
    await page.mouse.move(plot.x + plot.width - 30, plot.y + plot.height - 60);
    await page.mouse.down();
    await page.mouse.move(plot.x + plot.width / 3, plot.y + plot.height / 2, { steps: 5 });
    await page.mouse.up();
    await expect
      .poll(() => filterText(table))
      .toMatch(
        /^train\.learning_rate>=\S+ train\.learning_rate<=\S+ eval\/loss>=\S+ eval\/loss<=\S+$|^train\.learning_rate>=\S+ eval\/loss<=\S+$/,
      );
    await page.locator(".brush").waitFor();
    await close(table);
  });

  it("show what matters, with the forest's R², and too few runs", async () => {
    const table = await open();
    await show(table, "Importance");
    const { page } = table.page;
    await expect
      .poll(() => page.locator(".verdict").innerText())
      .toMatch(/^The forest explains eval\/loss well \(R² 0\.\d+ out of bag, 30 runs, 200 trees\)/);
    const rows = page.locator(".importance tbody tr");
    expect(await rows.first().innerText()).toMatch(/learning_rate/);
    await expect.poll(() => rows.last().innerText()).toMatch(/hidden_size/);
    await table.filter("learning_rate=0.001");
    await expect
      .poll(() => page.locator(".verdict").innerText())
      .toMatch(/are too few for a forest, which needs 10/);
    await close(table);
  });

  it("are filtered by settings that no sweep assigns, and so are the table alone and the list of Charts", async () => {
    const table = await open();
    await table.filter("hidden_size>=128");
    await expect.poll(() => table.status().innerText()).toBe("21 of 32 runs");
    expect(await table.header("model.hidden_size").count()).toBe(0);
    await close(table);
    const { page, faults } = await pages.harness.panel("charts", { runs: [] }, {});
    await page.getByLabel("Filter the runs").fill("hidden_size>=128");
    await expect.poll(() => page.locator("ul[aria-label=Runs] li").count()).toBe(21);
    expect(faults).toEqual([]);
    await page.close();
  });

  it.each<[ThemeName, number, number]>([
    ["dark", 1400, 1000],
    ["light", 600, 900],
    ["highContrast", 700, 500],
    ["highContrastLight", 1400, 1000],
  ])("are readable in %s at %i × %i pixels, and accessible", async (theme, width, height) => {
    const table = await open({ theme, width, height });
    for (const view of ["Parallel coordinates", "Scatter", "Importance"]) {
      await show(table, view);
      if (view === "Parallel coordinates") {
        await waitForSettings(table);
        await table.filter("learning_rate>=0.0003");
        await table.page.page.getByRole("button", { name: "learning_rate", exact: true }).click();
        await table.page.page.locator(".brush").waitFor();
      }
      if (view === "Importance") await table.page.page.locator(".verdict").waitFor();
      await table.page.screenshot(`views-${view.split(" ")[0]!.toLowerCase()}-${theme}-${width}`);
      expect(await findOverlaps(table.page)).toEqual([]);
      expect(await table.page.violations()).toEqual([]);
    }
    await close(table);
  });
});
