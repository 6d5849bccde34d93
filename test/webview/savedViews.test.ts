/** Saved views: saved, chosen, changed, updated, renamed, deleted and restored; kept in a file, and shown again when the panel opens. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { TestPage } from "./pageHarness";
import { WrittenRun } from "./sampleRuns";
import { usePages, useWorkspace } from "./usePages";

describe("saved views", () => {
  const workspace = useWorkspace();
  const file = join(workspace, ".lathe", "views.json");
  const runs: WrittenRun[] = [];
  const pages = usePages(workspace, async () => {
    for (const variant of ["dense", "narrow"])
      for (const seed of [1, 2])
        runs.push(
          await WrittenRun.write(workspace, {
            name: `${variant}-${seed}`,
            variant,
            seed,
            sweep: { seed },
            lines: 60,
          }),
        );
  });

  const views = (panel: string) => {
    const { views: all } = JSON.parse(readFileSync(file, "utf8")) as {
      readonly views: readonly { readonly panel: string }[];
    };
    return all.filter((view) => view.panel === panel);
  };
  const button = ({ page }: TestPage) => page.locator("#view-button");
  const openMenu = async (page: TestPage) => {
    if (!(await page.page.locator("#view-menu").isVisible())) await button(page).click();
    return page.page.getByRole("dialog", { name: "Saved views" });
  };
  const press = async (page: TestPage, name: string | RegExp) =>
    (await openMenu(page)).getByRole("button", { name, exact: true }).click();
  const saveAs = async (page: TestPage, name: string) => {
    await press(page, "Save View As…");
    await page.page.getByRole("textbox", { name: "Name of the new view" }).fill(name);
    await page.page.keyboard.press("Enter");
    await expect.poll(() => button(page).innerText()).toContain(name);
    await page.page.keyboard.press("Escape");
  };

  it("of Charts keep metrics, grouping, axes and smoothing, and leave the runs alone", async () => {
    const page = await pages.harness.panel("charts", { runs: runs.map(({ path }) => path) }, { width: 1300 });
    const { page: window } = page;
    await window.getByLabel("Group by").selectOption("Variant");
    await window.getByLabel("Axis", { exact: true }).selectOption("Tokens");
    await window.getByRole("button", { name: "log y" }).click();
    await window.getByLabel("y to", { exact: true }).fill("5");
    await window.getByLabel("y to", { exact: true }).press("Enter");
    await window.getByRole("checkbox", { name: "train/loss" }).uncheck();
    await saveAs(page, "Means over tokens");
    expect(views("charts")).toEqual([
      {
        panel: "charts",
        name: "Means over tokens",
        metrics: ["eval/loss"],
        group: "variant",
        axis: "tokens",
        log_y: true,
        y_to: 5,
      },
    ]);
    expect(await button(page).innerText()).not.toContain("changed");
    await window.getByRole("button", { name: "log y" }).click();
    await expect.poll(() => button(page).innerText()).toContain("changed");
    await window.getByRole("button", { name: "log y" }).click();
    await expect.poll(() => button(page).innerText()).not.toContain("changed");
    await window.getByRole("slider", { name: "Smoothing" }).fill("0.5");
    await press(page, "Update Means over tokens");
    await expect.poll(() => button(page).innerText()).not.toContain("changed");
    expect(views("charts")).toMatchObject([{ smoothing: 0.5 }]);
    await page.screenshot("views-charts-menu");
    expect(await page.violations()).toEqual([]);
    await press(page, /Usual view$/);
    await expect.poll(() => window.getByLabel("Group by").inputValue()).toBe("");
    expect(await window.getByLabel("Axis", { exact: true }).inputValue()).toBe("step");
    expect(await window.locator(".side-head .muted").first().innerText()).toBe("4 runs shown");
    await press(page, /Means over tokens$/);
    await expect.poll(() => window.getByLabel("Group by").inputValue()).toBe("variant");
    await page.close();
    // Another day: the panel is closed, nothing of its page is kept.
    const later = await pages.harness.panel("charts", { runs: [] }, { width: 1300 });
    await expect.poll(() => button(later).innerText()).toContain("Means over tokens");
    expect(await later.page.getByLabel("Axis", { exact: true }).inputValue()).toBe("tokens");
    expect(await later.page.getByRole("slider", { name: "Smoothing" }).inputValue()).toBe("0.5");
    await press(later, "Rename…");
    const field = later.page.getByRole("textbox", { name: "New name of the view" });
    await expect.poll(() => field.inputValue()).toBe("Means over tokens");
    await field.fill("Means");
    await field.press("Enter");
    await expect.poll(() => button(later).innerText()).toMatch(/Means\s*$/);
    await later.reload();
    await expect.poll(() => button(later).innerText()).toMatch(/Means\s*$/);
    await press(later, "Delete");
    await expect.poll(() => views("charts")).toEqual([]);
    await press(later, "Restore Means");
    await expect.poll(() => views("charts")).toMatchObject([{ name: "Means", y_to: 5 }]);
    expect(later.faults).toEqual([]);
    await later.close();
  });

  it("of Runs keep columns, widths, order, groups, filter and the picture above, and leave the selection alone", async () => {
    const page = await pages.harness.panel("runs", {}, { width: 1400 });
    const { page: window } = page;
    await window.locator(".body > .row").first().click();
    const tickColumn = (title: string) =>
      window
        .locator("#columns-menu vscode-checkbox")
        .filter({ hasText: new RegExp(`^\\s*${title}\\s*$`) })
        .click();
    const status = window.locator(".actions .status");
    await expect.poll(() => status.innerText()).toBe("4 runs, 1 selected");
    await window.getByRole("columnheader", { name: "eval/loss", exact: true }).click();
    await window.getByRole("button", { name: "Columns" }).click();
    await tickColumn("train/grad_norm");
    await tickColumn("Progress");
    // Shown and hidden again, a column is as before.
    await tickColumn("Seed");
    await tickColumn("Seed");
    await window.keyboard.press("Escape");
    await window.getByLabel("Group by").selectOption("Variant");
    await window.getByRole("textbox", { name: "Filter the runs" }).fill("state:done");
    await window.getByRole("button", { name: "Parallel coordinates" }).click();
    await saveAs(page, "Best by variant");
    expect(views("runs")).toEqual([
      {
        panel: "runs",
        name: "Best by variant",
        filter: "state:done",
        sort: [{ column: "eval/loss.last" }],
        group: "variant",
        show: ["train/grad_norm.last"],
        hide: ["progress"],
        picture: { kind: "parallel" },
      },
    ]);
    await window.getByLabel("Group by").selectOption("State");
    await expect.poll(() => button(page).innerText()).toContain("changed");
    await page.screenshot("views-runs");
    await press(page, /Usual view$/);
    await expect.poll(() => window.getByRole("columnheader", { name: "Progress" }).count()).toBe(1);
    expect(await window.getByLabel("Group by").inputValue()).toBe("");
    expect(await window.locator(".actions .status").innerText()).toBe("4 runs, 1 selected");
    await press(page, /Best by variant$/);
    await expect.poll(() => window.getByRole("columnheader", { name: "Progress" }).count()).toBe(0);
    expect(await button(page).innerText()).not.toContain("changed");
    expect(await page.violations()).toEqual([]);
    expect(page.faults).toEqual([]);
    await page.close();
    const later = await pages.harness.panel("runs", {}, { width: 1400 });
    await expect.poll(() => later.page.locator(".row.group").count()).toBe(2);
    expect(await button(later).innerText()).toContain("Best by variant");
    expect(await later.page.getByRole("textbox", { name: "Filter the runs" }).inputValue()).toBe(
      "state:done",
    );
    await later.page.getByRole("columnheader", { name: "train/grad_norm", exact: true }).waitFor();
    expect(await button(later).innerText()).not.toContain("changed");
    await press(later, "Delete");
    await later.close();
  });

  it("refuse a name that is taken, and show in every open page", async () => {
    const [one, two] = [
      await pages.harness.panel("charts", { runs: [] }),
      await pages.harness.panel("charts", { runs: [] }),
    ];
    await saveAs(one, "shared");
    await (await openMenu(two)).getByRole("button", { name: "shared", exact: true }).waitFor();
    await press(two, "Save View As…");
    await two.page.getByRole("textbox", { name: "Name of the new view" }).fill("shared");
    await two.page.keyboard.press("Enter");
    await two.page.getByRole("alert").filter({ hasText: "There is a view named shared already." }).waitFor();
    await two.page.keyboard.press("Escape");
    await press(one, "Delete");
    await expect
      .poll(async () => (await openMenu(two)).getByRole("button", { name: "shared", exact: true }).count())
      .toBe(0);
    for (const page of [one, two]) await page.close();
  });

  it("leave a damaged file as it is, and report why", async () => {
    mkdirSync(join(workspace, ".lathe"), { recursive: true });
    writeFileSync(file, `{"version": 1, "views": [{"panel": "charts"}]}`);
    const page = await pages.harness.panel("charts", { runs: [] });
    const menu = await openMenu(page);
    await menu
      .getByRole("alert")
      .filter({ hasText: /views\.json: views\.0\.name/ })
      .waitFor();
    expect(await menu.getByRole("button", { name: "Save View As…" }).isDisabled()).toBe(true);
    await page.screenshot("views-damaged");
    expect(readFileSync(file, "utf8")).toBe(`{"version": 1, "views": [{"panel": "charts"}]}`);
    rmSync(file);
    expect(page.faults).toEqual([]);
    await page.close();
  });
});
