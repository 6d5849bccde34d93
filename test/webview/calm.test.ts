/** Calm pages: while runs continue and end, nothing takes the focus, no menu closes, nothing moves and nothing is replaced. */
import { describe, expect, it } from "vitest";
import type { TestPage } from "./pageHarness";
import { WrittenRun } from "./sampleRuns";
import { usePages, useWorkspace } from "./usePages";

/** Remembers what is on the page and what has the focus, and watches for movements that nobody has caused. */
const watch = `(() => {
  const kept = [...document.querySelectorAll(".row, .toolbar *, .actions button, canvas, .legend .entry, .choices li, table.runs tr, select, input")];
  const focus = document.activeElement;
  window.lathe = { kept, focus, shifts: [] };
  new PerformanceObserver((list) => { for (const { value, sources } of list.getEntries()) window.lathe.shifts.push([value, sources.map(({ node }) => node?.className ?? node?.nodeName).join()]); }).observe({ type: "layout-shift" });
})()`;

interface Seen {
  readonly gone: readonly string[];
  readonly hasFocus: boolean;
  readonly shifts: readonly unknown[];
}
const look = `({
  gone: window.lathe.kept.filter((each) => !each.isConnected).map((each) => each.outerHTML.slice(0, 80)),
  hasFocus: document.activeElement === window.lathe.focus,
  shifts: window.lathe.shifts,
})`;

describe("while runs continue and end", () => {
  const workspace = useWorkspace();
  const runs: WrittenRun[] = [];
  const pages = usePages(workspace);

  /** Two that have ended and one that trains. */
  async function begin(name: string): Promise<WrittenRun> {
    for (const each of ["first", "second"])
      runs.push(await WrittenRun.write(workspace, { name: `${name}-${each}`, seed: runs.length, lines: 60 }));
    const running = await WrittenRun.write(workspace, { name, state: "running", seed: 9, lines: 40 });
    runs.push(running);
    await expect
      .poll(async () => running.isListed((await pages.harness.backend.request("runs.list", {})).runs))
      .toBe(true);
    return running;
  }

  /** Further steps, then the end, and a last look once the page shows it. */
  async function end(page: TestPage, run: WrittenRun, shown: () => Promise<boolean>): Promise<Seen> {
    run.grow(20);
    await expect
      .poll(async () =>
        (await pages.harness.backend.request("runs.list", {})).runs.find(({ folder }) => folder === run.path),
      )
      .toMatchObject({ progress: { step: 60 } });
    run.grow(20);
    run.folder.update({ state: "done", endedAt: new Date().toISOString() });
    await expect.poll(shown).toBe(true);
    await page.page.evaluate(
      "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))",
    );
    return page.page.evaluate<Seen>(look);
  }

  it.each(["#columns-menu", "#view-menu"])(
    "the table keeps the focus, its rows and the menu %s",
    async (selector) => {
      const run = await begin(`table${selector.slice(1, 4)}`);
      const page = await pages.harness.panel("runs", {}, { width: 1300 });
      const row = page.page.locator(".body > .row", {
        has: page.page.getByText(run.folder.record.plan.name, { exact: true }),
      });
      await expect.poll(() => row.innerText()).toContain("running");
      await page.page.locator(selector.replace("menu", "button")).click();
      await page.page.locator(selector).locator("button, vscode-checkbox").first().waitFor();
      if (selector === "#view-menu") await page.page.getByRole("button", { name: "Save View As…" }).click();
      const field = page.page.locator(`${selector} vscode-textfield`);
      await field.getByRole("textbox").fill("pro");
      // The list of columns is filtered by what was typed.
      await expect
        .poll(() => page.page.locator(`${selector} vscode-checkbox[aria-label="Star"]`).count())
        .toBe(0);
      await page.page.evaluate(watch);
      const seen = await end(page, run, async () => (await row.innerText()).includes("done"));
      expect(seen).toEqual({ gone: [], hasFocus: true, shifts: [] });
      expect(await page.page.locator(selector).isVisible()).toBe(true);
      expect(await field.getByRole("textbox").inputValue()).toBe("pro");
      // What is typed now arrives in the same field.
      await page.page.keyboard.type("gress");
      await expect.poll(() => field.getByRole("textbox").inputValue()).toBe("progress");
      expect(page.faults).toEqual([]);
      await page.close();
    },
  );

  it("the table keeps a context menu and the cell that is being edited", async () => {
    const run = await begin("menu");
    const page = await pages.harness.panel("runs", {}, { width: 1300 });
    const row = page.page
      .locator(".body > .row")
      .filter({ has: page.page.getByText("menu", { exact: true }) });
    await expect.poll(() => row.innerText()).toContain("running");
    await page.page.getByText("menu-first", { exact: true }).click({ button: "right" });
    await page.page.getByRole("menuitem", { name: "Open in Charts" }).waitFor();
    await page.page.evaluate(watch);
    expect(await end(page, run, async () => (await row.innerText()).includes("done"))).toEqual({
      gone: [],
      hasFocus: true,
      shifts: [],
    });
    expect(await page.page.getByRole("menuitem", { name: "Open in Charts" }).isVisible()).toBe(true);
    await page.page.keyboard.press("Escape");
    const other = await begin("edit");
    const edited = page.page
      .locator(".body > .row")
      .filter({ has: page.page.getByText("edit", { exact: true }) });
    await expect.poll(() => edited.innerText()).toContain("running");
    await page.page.getByText("edit-first", { exact: true }).click();
    await page.page.keyboard.press("F2");
    await page.page.getByRole("textbox", { name: "Run name" }).fill("half a na");
    await page.page.evaluate(watch);
    const seen = await end(page, other, async () => (await edited.innerText()).includes("done"));
    expect(seen).toEqual({ gone: [], hasFocus: true, shifts: [] });
    expect(await page.page.getByRole("textbox", { name: "Run name" }).inputValue()).toBe("half a na");
    await page.close();
  });

  it("charts keep their canvas, their lists and the focus, and take a further run beside the others", async () => {
    const run = await begin("curve");
    const page = await pages.harness.panel("charts", { runs: [run.path] }, { width: 1300 });
    const { page: window } = page;
    await window.locator(".legend .entry[title]").waitFor();
    await window.getByRole("searchbox", { name: "Filter the runs" }).fill("curve");
    const list = window.getByRole("list", { name: "Runs", exact: true });
    await expect.poll(() => list.locator("li").count()).toBe(3);
    await expect.poll(() => list.innerText()).toContain("running");
    await window.evaluate(watch);
    const seen = await end(page, run, async () => !(await list.innerText()).includes("running"));
    expect(seen).toEqual({ gone: [], hasFocus: true, shifts: [] });
    // As when a person opens another run in Charts.
    const first = runs.at(-3)!;
    page.emit("inputChanged", { input: { runs: [first.path] } });
    await expect.poll(() => window.locator(".legend .entry[title]").count()).toBe(2);
    expect((await window.evaluate<Seen>(look)).gone).toEqual([]);
    expect(await window.getByRole("searchbox", { name: "Filter the runs" }).inputValue()).toBe("curve");
    expect(page.faults).toEqual([]);
    await page.close();
  });
});
