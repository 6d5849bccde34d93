import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { RunNotes } from "../../src/protocol/run";
import { noChromium, PageHarness, type TestPage } from "./pageHarness";
import { createRunsWorkspace, RunsTable } from "./runsTable";
import { makeRuns } from "./runFolders";
import type { ThemeName } from "./themes";

const evil = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\u001b[31mred`;

describe.skipIf(noChromium !== undefined)(`the table of runs${noChromium ?? ""}`, () => {
  let workspace: string;
  let folders: string[];
  let harness: PageHarness;
  let page: TestPage;
  let table: RunsTable;
  const notesOf = (folder: string) =>
    JSON.parse(readFileSync(join(folder, "notes.json"), "utf8")) as RunNotes;
  const press = (key: string) => page.page.keyboard.press(key);

  beforeAll(async () => {
    workspace = createRunsWorkspace();
    folders = makeRuns(workspace, 30, (i) =>
      i === 2
        ? { notes: { name: evil, tags: ["<b>bold</b>"], notes: `=HYPERLINK("http://x")\n${evil}` } }
        : i === 0
          ? { notes: { name: "first of all", tags: ["one", "two"], notes: 'with, "quotes"' } }
          : {},
    );
    harness = await PageHarness.open(workspace);
  });
  afterAll(() => harness.close());

  async function open(options: Parameters<PageHarness["panel"]>[2] = {}): Promise<void> {
    page = await harness.panel("runs", {}, { width: 1360, height: 820, ...options });
    page.page.setDefaultTimeout(10_000);
    table = new RunsTable(page);
    await table.rows().first().waitFor();
  }

  describe("of thirty runs", () => {
    beforeAll(() => open());
    beforeEach(async () => {
      await table.filter("");
      await table.rows().nth(20).waitFor();
    });

    it("sorts by a column, both ways, and by a second one within the first", async () => {
      const numbers = async (title: string) =>
        (await table.texts(title)).map((text) => Number(text.replace(",", "")));
      await table.header("train/loss").click();
      await expect.poll(() => table.header("train/loss").getAttribute("aria-sort")).toBe("ascending");
      const rising = await numbers("train/loss");
      expect(rising).toEqual([...rising].sort((a, b) => a - b));
      await table.header("train/loss").click();
      await expect.poll(() => table.header("train/loss").getAttribute("aria-sort")).toBe("descending");
      const falling = await numbers("train/loss");
      expect(falling).toEqual([...falling].sort((a, b) => b - a));
      await table.header("State").click();
      await table.header("train/loss").click({ modifiers: ["Shift"] });
      await expect.poll(() => table.header("train/loss").getAttribute("aria-sort")).toBe("ascending");
      const states = await table.texts("State");
      const losses = await numbers("train/loss");
      expect(states).toEqual([...states].sort());
      losses.forEach(
        (loss, i) =>
          states[i] === states[i + 1] && expect(loss).toBeLessThanOrEqual(losses[i + 1] ?? Infinity),
      );
      await table.header("Created").click();
      await table.header("Created").click();
    });

    it("filters by words, columns and numbers, and reports an unknown column", async () => {
      await table.filter("first nothing");
      await expect.poll(() => table.status().innerText()).toContain("0 of 30");
      await table.filter('"first of all"');
      await expect.poll(() => table.status().innerText()).toContain("1 of 30");
      await table.filter("tag:two state:done");
      await expect.poll(() => table.status().innerText()).toContain("1 of 30");
      await table.filter("loss<2.2 -state:failed");
      await expect.poll(async () => (await table.texts("eval/loss")).length).toBeGreaterThan(2);
      for (const loss of await table.texts("eval/loss")) expect(Number(loss)).toBeLessThan(2.2);
      await table.filter("color:red");
      await expect
        .poll(() => page.page.locator(".problem").innerText())
        .toContain('There is no column "color"');
      await expect.poll(() => table.rows().count()).toBeGreaterThan(20);
    });

    it("shows the text of a run as text, whatever it contains", async () => {
      await table.filter("onerror");
      await expect.poll(() => table.rows().count()).toBe(1);
      expect(await table.cell(1, await table.column("Name")).innerText()).toContain(
        '<img src=x onerror="window.hacked=1">',
      );
      expect(await table.cell(1, await table.column("Tags")).innerText()).toContain("<b>bold</b>");
      expect(await page.page.evaluate("'hacked' in window")).toBe(false);
      expect(await table.grid.locator("img, script, b").count()).toBe(0);
    });

    it("writes a star, tags, notes and a name into notes.json of the run", async () => {
      await table.filter('"first of all"');
      await expect.poll(() => table.rows().count()).toBe(1);
      await table.cell(1, await table.column("Star")).click();
      await expect.poll(() => notesOf(folders[0]!).star).toBe(true);
      await table.cell(1, await table.column("Tags")).dblclick();
      await page.page.locator(".edit").fill("one, three,, three");
      await press("Enter");
      await expect.poll(() => notesOf(folders[0]!).tags).toEqual(["one", "three"]);
      await table.cell(1, await table.column("Notes")).dblclick();
      await page.page.locator(".edit").fill("first line");
      await press("Shift+Enter");
      await page.page.keyboard.type("second line");
      await press("Enter");
      await expect.poll(() => notesOf(folders[0]!).notes).toBe("first line\nsecond line");
      await table.cell(1, await table.column("Name")).click();
      await press("F2");
      await page.page.locator(".edit").fill("never mind");
      await press("Escape");
      expect(notesOf(folders[0]!).name).toBe("first of all");
      await expect.poll(() => page.page.evaluate("document.activeElement.dataset.column")).toBe("1");
      await expect.poll(() => table.texts("Tags")).toEqual(["one\nthree"]);
    });

    it("follows changes of runs elsewhere", async () => {
      await table.filter("seen-elsewhere");
      await expect.poll(() => table.rows().count()).toBe(0);
      writeFileSync(join(folders[4]!, "notes.json"), JSON.stringify({ tags: ["seen-elsewhere"] }));
      await expect.poll(() => table.rows().count()).toBe(1);
    });

    it("supports navigation and selection with only the keyboard", async () => {
      await table.cell(1, 1).click();
      await press("ArrowDown");
      await press("Shift+ArrowDown");
      await press("Shift+ArrowDown");
      await expect.poll(() => table.status().innerText()).toContain("3 selected");
      await press("Escape");
      await press("Space");
      await press("ArrowUp");
      await press("ArrowUp");
      await press("Space");
      await expect.poll(() => table.status().innerText()).toContain("2 selected");
      expect(await table.rows().nth(1).getAttribute("aria-selected")).toBe("true");
      await press("Control+a");
      await expect.poll(() => table.status().innerText()).toContain("30 selected");
      await press("Control+End");
      const last = (await table.grid.getAttribute("aria-colcount"))!;
      await expect
        .poll(() =>
          page.page.evaluate(
            "[document.activeElement.dataset.row, document.activeElement.dataset.column].join()",
          ),
        )
        .toBe(`30,${Number(last) - 1}`);
      await press("Control+Home");
      await press("Escape");
      await press("ArrowUp");
      await expect
        .poll(() => page.page.evaluate("document.activeElement.getAttribute('role')"))
        .toBe("columnheader");
      await press("ArrowDown");
      await press("ArrowRight");
      await press("ArrowRight");
      await press("Enter");
      await expect
        .poll(() => page.asked.panels)
        .toEqual([{ panel: "charts", input: { runs: [folders[0]] } }]);
      await press("Control+c");
      await expect.poll(() => page.asked.copied).toEqual(["done"]);
      await press("Delete");
      await expect
        .poll(() => page.asked.commands)
        .toEqual([{ command: "lathe.deleteRuns", runs: [folders[0]] }]);
      // One tab stop, not one per cell.
      expect(await table.grid.locator('[tabindex="0"]').count()).toBe(1);
    });

    it("offers what fits a row at a right click, and never acts on a row that the filter hides", async () => {
      page.asked.commands.length = 0;
      await table.cell(1, 1).click();
      await table.cell(3, 1).click({ modifiers: ["ControlOrMeta"] });
      await table.filter('-"first of all"');
      await expect.poll(() => table.status().innerText()).toContain("29 of 30");
      const shown = await table.grid.locator('[aria-selected="true"]').count();
      expect(shown).toBe(1);
      await table.cell(2, 2).click({ button: "right" });
      const menu = page.page.getByRole("menu");
      await menu.getByRole("menuitem", { name: "Show Only This Value" }).waitFor();
      await page.screenshot("runs-menu-dark");
      expect(await page.violations()).toEqual([]);
      expect(await menu.innerText()).not.toMatch(/Cut|Paste/);
      await press("ArrowDown");
      await press("Escape");
      await expect.poll(() => menu.isVisible()).toBe(false);
      expect(await page.page.evaluate("document.activeElement.dataset.row")).toBe("2");
      await table.filter("");
      await table.rows().nth(20).waitFor();
      // The focus moves with the arrows, and Delete and F2 follow it, not what is selected elsewhere.
      await table.cell(1, 2).click();
      await press("ArrowDown");
      await press("Delete");
      await expect
        .poll(() => page.asked.commands)
        .toEqual([{ command: "lathe.deleteRuns", runs: [folders[1]] }]);
      await press("F2");
      await expect.poll(() => page.page.locator(".edit").count()).toBe(1);
      expect(
        await page.page.locator(".row", { has: page.page.locator(".edit") }).getAttribute("aria-rowindex"),
      ).toBe("3");
      await press("Escape");
      page.asked.commands.length = 0;
    });

    it("selects rows, not the words of the page, with Ctrl+A", async () => {
      await table.cell(1, 2).click();
      await press("Control+a");
      await page.page.evaluate('document.execCommand("selectAll")');
      await expect.poll(() => table.status().innerText()).toContain("30 selected");
      expect(await page.page.evaluate("String(getSelection())")).toBe("");
      await table.cell(1, 2).click({ button: "right" });
      await expect.poll(() => page.page.getByRole("menu").isVisible()).toBe(true);
      expect(await page.page.evaluate("document.body.dataset.vscodeContext")).toContain(
        "preventDefaultContextMenuItems",
      );
      await press("Escape");
      await press("Escape");
    });

    it("compares runs by the settings in which they differ", async () => {
      await table.cell(1, 1).click();
      await table.cell(4, 1).click({ modifiers: ["Shift"] });
      await page.page.getByRole("button", { name: "Compare" }).click();
      const comparison = page.page.locator(".comparison");
      await expect.poll(() => comparison.innerText()).toContain("seed");
      expect(await comparison.innerText()).not.toContain("model_type");
      expect(await comparison.locator("thead th").count()).toBe(5);
      await page.screenshot("runs-compared-dark");
      await comparison.getByRole("button", { name: "Close the comparison" }).click();
      await expect.poll(() => comparison.count()).toBe(0);
    });

    it("groups runs, and folds and unfolds a group", async () => {
      await page.page.getByLabel("Group by").selectOption("Variant");
      const groups = page.page.locator(".row.group");
      await expect.poll(() => groups.count()).toBe(4);
      await page.screenshot("runs-grouped-dark");
      expect(await table.grid.getAttribute("role")).toBe("treegrid");
      await groups.first().click();
      await expect.poll(() => groups.first().getAttribute("aria-expanded")).toBe("false");
      await press("ArrowRight");
      await expect.poll(() => groups.first().getAttribute("aria-expanded")).toBe("true");
      expect(await page.violations()).toEqual([]);
      await page.page.getByLabel("Group by").selectOption("No groups");
      await expect.poll(() => groups.count()).toBe(0);
    });

    it("shows the selected columns, including settings, at their dragged width", async () => {
      await page.page.getByRole("button", { name: "Columns" }).click();
      await page.page.locator("#columns-menu vscode-textfield input").fill("perplexity min");
      await page.page.locator("vscode-checkbox", { hasText: "eval/perplexity min" }).click();
      await table.header("eval/perplexity min").waitFor();
      await page.page.getByRole("button", { name: "Add settings" }).click();
      await page.page.locator("#columns-menu vscode-textfield input").fill("");
      // Settings that have a column already get no second one.
      await table.header("Seed").waitFor();
      const headings = await page.page.locator(".head [role=columnheader]").allInnerTexts();
      const lowered = headings.map((heading) => heading.trim().toLowerCase());
      expect(lowered).toContain("data.sequence_len");
      expect(lowered.filter((heading, i) => lowered.indexOf(heading) !== i)).toEqual([]);
      expect(lowered.filter((heading) => heading.endsWith("learning_rate"))).toHaveLength(1);
      await page.screenshot("runs-columns-dark");
      await press("Escape");
      const header = table.header("Name");
      await header.focus();
      const before = (await header.boundingBox())!.width;
      const handle = (await header.locator(".resizer").boundingBox())!;
      await page.page.mouse.move(handle.x + 4, handle.y + 6);
      await page.page.mouse.down();
      await page.page.mouse.move(handle.x + 64, handle.y + 6);
      await page.page.mouse.up();
      await expect.poll(async () => Math.round((await header.boundingBox())!.width - before)).toBe(60);
    });

    it("exports what it shows as CSV without formulas for spreadsheets", async () => {
      await page.page.getByRole("button", { name: "Export CSV" }).click();
      await expect.poll(() => page.asked.saved.length).toBe(1);
      const { name, content } = page.asked.saved[0]!;
      expect(name).toBe("runs.csv");
      const rows = parse((content as { text: string }).text, { columns: true, relax_quotes: false });
      expect(rows).toHaveLength(30);
      const hostile = (rows as Record<string, string>[]).find(({ Tags }) => Tags === "<b>bold</b>")!;
      expect(hostile.Notes).toBe(`'=HYPERLINK("http://x")\n${evil}`);
      expect(Number(hostile["train/loss"])).toBeGreaterThan(1);
    });

    it("restores its state", async () => {
      await table.filter("state:done");
      await table.header("Duration").click();
      await table.cell(2, 1).click();
      const widths = (await table.header("Name").boundingBox())!.width;
      const name = await table.cell(2, 1).innerText();
      const kept = () =>
        page.page.evaluate<{
          state: {
            filter: string;
            selected: string[];
            arrangement: { sorting: { id: string }[] };
          };
        }>("acquireVsCodeApi().getState()");
      await expect
        .poll(async () => {
          const { state } = await kept();
          return [state.filter, state.arrangement.sorting[0]?.id, state.selected.length];
        })
        .toEqual(["state:done", "duration", 1]);
      await open({ state: (await kept()).state });
      expect(await page.page.locator("vscode-textfield.filter input").inputValue()).toBe("state:done");
      expect(await table.header("Duration").getAttribute("aria-sort")).toBe("ascending");
      expect((await table.header("Name").boundingBox())!.width).toBe(widths);
      expect(await table.cell(2, 1).innerText()).toBe(name);
      await expect.poll(() => table.status().innerText()).toContain("1 selected");
      await table.header("Seed").waitFor();
      expect(page.faults).toEqual([]);
      await page.close();
    });
  });

  it.each<ThemeName>(["dark", "light", "highContrast", "highContrastLight"])(
    "is accessible in the theme %s",
    async (theme) => {
      await open({ theme });
      await table.cell(2, 1).click();
      await table.cell(4, 1).click({ modifiers: ["ControlOrMeta"] });
      await page.screenshot(`runs-${theme}`);
      // Nothing shows through the cells that stay while the others scroll below them.
      const grounds = await page.page.evaluate<string[]>(
        "[...document.querySelectorAll('.row.selected .pinned')].map((cell) => getComputedStyle(cell).backgroundColor)",
      );
      expect(grounds.length).toBeGreaterThan(1);
      for (const ground of grounds) expect(ground).toMatch(/^rgb\(/);
      expect(await page.violations()).toEqual([]);
      expect(page.faults).toEqual([]);
      await page.close();
    },
  );

  it("shows what to do if there are no runs", async () => {
    const empty = await PageHarness.open(createRunsWorkspace());
    const opened = await empty.panel("runs", {});
    await opened.page.getByText("No runs yet").waitFor();
    await opened.screenshot("runs-empty-dark");
    await empty.close();
  });
});
