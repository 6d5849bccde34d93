/** Random steps on the pages of runs: what is ticked, selected and shown is what was chosen. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest";
import { noChromium, PageHarness } from "./pageHarness";
import { type Action, type Chance, walk } from "./randomWalk";
import { makeRuns } from "./runFolders";

describe("a random walk", () => {
  const workspace = realpathSync(mkdtempSync(join(tmpdir(), "lathe-walk-")));
  const names = Array.from({ length: 30 }, (_, i) => `run ${String(i).padStart(2, "0")}`);
  let folders: string[] = [];
  let harness: PageHarness;
  beforeEach(({ skip }) => {
    skip(noChromium !== undefined, noChromium);
    // All pages of the workspace share it.
    harness.looks.setBaseline(undefined);
  });
  beforeAll(async () => {
    if (noChromium !== undefined) return;
    mkdirSync(join(workspace, ".lathe", "runs"), { recursive: true });
    folders = makeRuns(workspace, names.length, (i) => ({
      // Each of a plan of its own, so that none is listed as a further seed of another.
      record: {
        id: `plan${i}-20261120-0930${String(i).padStart(2, "0")}-00ff`,
        state: i % 3 === 0 ? "stopped" : "done",
      },
      notes: { name: names[i]!, tags: i % 2 === 0 ? ["even"] : ["odd"], star: i % 5 === 0 },
    }));
    harness = await PageHarness.open(workspace);
  });
  afterAll(async () => {
    if (noChromium === undefined) await harness.close();
    rmSync(workspace, { recursive: true, force: true });
  });

  const filters: Readonly<Record<string, (i: number) => boolean>> = {
    "": () => true,
    "state:stopped": (i) => i % 3 === 0,
    "tag:odd -state:stopped": (i) => i % 2 === 1 && i % 3 !== 0,
    '"run 0"': (i) => i < 10,
    "star:yes": (i) => i % 5 === 0,
  };

  it("keeps the lists of Charts and what is plotted equal to what was chosen", async () => {
    const page = await harness.panel("charts", { runs: [folders[0]!] }, { width: 1300, height: 800 });
    await page.page.locator(".choices").first().waitFor();
    const metrics = ["eval/loss", "eval/perplexity", "train/learning_rate", "train/loss"];
    interface Model {
      chosen: number[];
      metrics: Set<string>;
      filter: string;
      lists: boolean;
      switches: Record<string, boolean>;
      axis: string;
      grouping: string;
      baseline: number | undefined;
    }
    const model: Model = {
      chosen: [0],
      metrics: new Set(["eval/loss", "train/loss"]),
      filter: "",
      lists: true,
      switches: { "log x": false, "log y": false, "no outliers": false },
      axis: "step",
      grouping: "",
      baseline: undefined,
    };
    const list = "ul[aria-label=Runs]";
    const isListed = ({ filter }: Model, i: number) => filters[filter]!(i);
    const choose = (chance: Chance, { lists, chosen, baseline }: Model): Action<Model> => {
      const kind = chance.below(lists ? 12 : 4);
      if (kind === 0) {
        const name = chance.pick(["log x", "log y", "no outliers"]);
        return {
          script: `press(".switch", "${name}")`,
          apply: (m) => (m.switches[name] = !m.switches[name]),
        };
      }
      if (kind === 1) {
        const axis = chance.pick(["step", "tokens", "seconds"]);
        return { script: `select("Axis", "${axis}")`, apply: (m) => (m.axis = axis) };
      }
      if (kind === 2) {
        const grouping = chance.pick(["", "variant", "tag"]);
        return { script: `select("Group by", "${grouping}")`, apply: (m) => (m.grouping = grouping) };
      }
      if (kind === 3)
        return { script: `press(".switch", "Runs and metrics")`, apply: (m) => (m.lists = !m.lists) };
      if (kind === 4) {
        const filter = chance.pick(Object.keys(filters));
        return {
          script: `type(named("input", "Filter the runs"), ${JSON.stringify(filter)})`,
          apply: (m) => (m.filter = filter),
        };
      }
      if (kind === 5 && chosen.length > 0)
        return { script: `press(".plain", "None")`, apply: (m) => (m.chosen = []) };
      if (kind === 6) {
        // What no chosen run has logged is listed only while it is ticked.
        const listedMetrics =
          chosen.length > 0
            ? metrics
            : metrics.filter((each) => /loss$/.test(each) || model.metrics.has(each));
        const metric = chance.pick(listedMetrics);
        return {
          script: `all('.metrics label').find(({ title }) => title === "${metric}").querySelector("input").click()`,
          apply: (m) => {
            if (!m.metrics.delete(metric)) m.metrics.add(metric);
          },
        };
      }
      const listed = names.map((_, i) => i).filter((i) => isListed(model, i));
      const run = chance.pick(listed);
      if (kind === 7)
        return {
          script: `named("${list} .pin", "Baseline: ${names[run]!}").click()`,
          apply: (m) => {
            m.baseline = baseline === run ? undefined : run;
            if (m.baseline !== undefined && !m.chosen.includes(run)) m.chosen.push(run);
          },
        };
      return {
        script: `all('${list} label').find((each) => each.querySelector(".name").textContent === "${names[run]!}").querySelector("input").click()`,
        apply: (m) => {
          m.chosen = m.chosen.includes(run) ? m.chosen.filter((each) => each !== run) : [...m.chosen, run];
        },
      };
    };
    const read = `{
      list: all('${list} > li:not(.muted)').map((each) => [each.querySelector(".name").textContent, each.querySelector("input").checked, each.querySelector(".pin").getAttribute("aria-pressed") === "true"]),
      metrics: all('.metrics input').filter(({ checked }) => checked).length,
      count: document.querySelector(".side-head .muted")?.textContent,
      switches: all(".switch").slice(1, 4).map((each) => each.getAttribute("aria-pressed") === "true"),
      axis: named("select", "Axis").value,
      grouping: named("select", "Group by").value,
      legend: [...(document.querySelector(".board .legend")?.querySelectorAll(".entry[title]") ?? [])].map(({ title }) => title).sort(),
    }`;
    await walk(page, model, choose, read, (m) => ({
      list: m.lists
        ? names.flatMap((name, i) => (isListed(m, i) ? [[name, m.chosen.includes(i), m.baseline === i]] : []))
        : [],
      metrics: m.lists ? m.metrics.size : 0,
      ...(m.lists ? { count: `${m.chosen.length} run${m.chosen.length === 1 ? "" : "s"} shown` } : {}),
      switches: ["log y", "log x", "no outliers"].map((name) => m.switches[name]),
      axis: m.axis,
      grouping: m.grouping,
      legend: describeLegend(m, names),
    }));
    await page.close();
  }, 600_000);

  function describeLegend(
    { chosen, metrics, grouping }: { chosen: number[]; metrics: Set<string>; grouping: string },
    all: readonly string[],
  ): string[] {
    if (chosen.length === 0 || metrics.size === 0) return [];
    if (grouping === "") return chosen.map((i) => all[i]!).sort();
    const groups = new Map<string, number>();
    for (const i of chosen) {
      const name = grouping === "tag" ? (i % 2 === 0 ? "#even" : "#odd") : variantOf(i);
      groups.set(name, (groups.get(name) ?? 0) + 1);
    }
    return [...groups].map(([name, count]) => (count === 1 ? name : `${name} (${count})`)).sort();
  }

  /** As `groupRuns` names the variants of several experiments. */
  function variantOf(i: number): string {
    const id = folders[i]!.split("/").at(-1)!;
    const [, experiment, variant] = /^(.*)-([a-z]+)-\d{8}-/.exec(id)!;
    return `${experiment!}, ${variant!}`;
  }

  it("keeps the rows, the selection and the columns of Runs equal to what was chosen", async () => {
    const page = await harness.panel("runs", {}, { width: 1300, height: 1100 });
    await page.page.locator(".body > [role=row]").first().waitFor();
    interface Model {
      filter: string;
      selected: Set<number>;
      columns: Set<string>;
      baseline: number | undefined;
    }
    const columns = ["State", "Progress", "Tags", "Variant", "Seed", "Notes"];
    const model: Model = {
      filter: "",
      selected: new Set(),
      columns: new Set(["State", "Progress", "Tags", "Variant", "Notes"]),
      baseline: undefined,
    };
    const shownRuns = ({ filter }: Model) => names.map((_, i) => i).filter((i) => filters[filter]!(i));
    const row = (name: string) =>
      `all(".body > .row").find((each) => each.querySelector(".cell.name .name").textContent === ${JSON.stringify(name)})`;
    await page.page.evaluate('document.getElementById("columns-button").click()');
    const choose = (chance: Chance, m: Model): Action<Model> => {
      const kind = chance.below(8);
      if (kind === 0) {
        const filter = chance.pick(Object.keys(filters));
        return {
          script: `type(document.querySelector("vscode-textfield.filter"), ${JSON.stringify(filter)})`,
          apply: (model) => (model.filter = filter),
        };
      }
      if (kind === 1) {
        const column = chance.pick(columns);
        return {
          script: `named("#columns-menu vscode-checkbox", "${column}").shadowRoot.querySelector("label").click()`,
          apply: ({ columns: shown }) => {
            if (!shown.delete(column)) shown.add(column);
          },
        };
      }
      if (kind === 2)
        return {
          script: `key(document.querySelector(".grid"), "Escape")`,
          apply: (model) => (model.selected = new Set()),
        };
      if (kind === 3)
        return {
          script: `key(document.querySelector(".grid"), "a", { ctrlKey: true })`,
          apply: (model) => (model.selected = new Set(shownRuns(model))),
        };
      const run = chance.pick(shownRuns(m));
      const target = `${row(names[run]!)}.querySelector(".cell.name")`;
      const click = (more: string) =>
        `${target}.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, button: 0${more} }))`;
      if (kind === 4)
        return {
          script: `${target}.dispatchEvent(new MouseEvent("contextmenu", { bubbles: true, cancelable: true, clientX: 300, clientY: 300 }));
            all("[role=menuitem]").find((each) => /Baseline/.test(each.textContent)) === undefined
              ? key(document.querySelector(".context-menu"), "Escape")
              : all("[role=menuitem]").find((each) => /Baseline/.test(each.textContent)).click();
            document.getElementById("columns-menu").showPopover()`,
          apply: (model) => {
            const isSelected = model.selected.has(run);
            if (!isSelected) model.selected = new Set([run]);
            const targets = shownRuns(model).filter((i) => model.selected.has(i));
            // Only one run is a baseline.
            if (targets.length === 1) model.baseline = model.baseline === run ? undefined : run;
          },
        };
      return kind === 5
        ? { script: click(""), apply: (model) => (model.selected = new Set([run])) }
        : {
            script: click(", ctrlKey: true"),
            apply: ({ selected }) => {
              if (!selected.delete(run)) selected.add(run);
            },
          };
    };
    const read = `{
      rows: all(".body > .row").filter((each) => each.querySelector(".cell.name")).map((each) => [each.querySelector(".cell.name .name").textContent, each.getAttribute("aria-selected") === "true", each.querySelector(".cell.name .chip") !== null]).sort(),
      columns: all(".head [role=columnheader] .text").map((each) => each.textContent).filter((title) => ${JSON.stringify(columns)}.includes(title)).sort(),
      ticks: all("#columns-menu vscode-checkbox").filter((each) => ${JSON.stringify(columns)}.includes(each.textContent.trim()) && each.checked).map((each) => each.textContent.trim()).sort(),
      status: document.querySelector(".actions .status").textContent,
    }`;
    await walk(page, model, choose, read, (m) => {
      const rows = shownRuns(m);
      const selected = rows.filter((i) => m.selected.has(i)).length;
      const count = rows.length === names.length ? "30 runs" : `${rows.length} of 30 runs`;
      return {
        rows: rows.map((i) => [names[i]!, m.selected.has(i), m.baseline === i]),
        columns: [...m.columns].sort(),
        ticks: [...m.columns].sort(),
        status: `${count}${selected === 0 ? "" : `, ${selected} selected`}`,
      };
    });
    await page.close();
  }, 600_000);
});
