/** Random steps over saved views: what is shown is what was chosen, and a view is marked exactly where it differs. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Action, type Chance, walk } from "./randomWalk";
import { makeRuns } from "./runFolders";
import { usePages, useWorkspace } from "./usePages";

/** What the menu of views knows, whatever a view contains. */
interface Views<Look> {
  look: Look;
  readonly saved: Map<string, Look>;
  current: string | undefined;
  deleted: readonly [name: string, look: Look] | undefined;
}

const viewNames = ["losses", "means over tokens", "z", "Losses"];

/** In the page: the menu is open after each action, so that its list can be read. */
const menu = `
  const frame = () => new Promise((drawn) => requestAnimationFrame(drawn));
  const until = async (find) => { for (let i = 0; i < 120; i++) { const found = find(); if (found) return found; await frame(); } throw new Error("not found: " + find); };
  const views = document.getElementById("view-menu");
  const openViews = async () => { if (!views.matches(":popover-open")) views.showPopover(); await until(() => views.querySelector(".view")); };
  const inMenu = async (text) => { await openViews(); (await until(() => [...views.querySelectorAll("button, vscode-button")].find((each) => !each.disabled && each.textContent.replace("✓", "").trim() === text))).click(); };
  const nameView = async (text, action) => {
    const field = await until(() => document.getElementById("view-text"));
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await inMenu(action);
    await until(() => document.getElementById("view-text") === null);
  };
`;

function act<Look>(script: string, apply: (views: Views<Look>) => void): Action<Views<Look>> {
  return { script: `${menu} ${script}; await openViews()`, apply };
}

function chooseViewAction<Look>(chance: Chance, m: Views<Look>, usual: () => Look): Action<Views<Look>> {
  const { current, deleted, saved } = m;
  const copy = (look: Look): Look => structuredClone(look);
  const free = viewNames.filter((name) => !saved.has(name) && name !== deleted?.[0]);
  const kind = chance.below(7);
  if (kind === 0 && free.length > 0) {
    const name = chance.pick(free);
    return act(`await inMenu("Save View As…"); await nameView(" ${name} ", "Save")`, (views: Views<Look>) => {
      views.saved.set(name, copy(views.look));
      Object.assign(views, { current: name, deleted: undefined });
    });
  }
  if (kind === 1 && current !== undefined && isChanged(m))
    return act(`await inMenu("Update ${current}")`, (views: Views<Look>) => {
      views.saved.set(current, copy(views.look));
      views.deleted = undefined;
    });
  if (kind === 2 && current !== undefined && free.length > 0) {
    const name = chance.pick(free);
    return act(`await inMenu("Rename…"); await nameView("${name}", "Rename")`, (views: Views<Look>) => {
      views.saved.set(name, views.saved.get(current)!);
      views.saved.delete(current);
      Object.assign(views, { current: name, deleted: undefined });
    });
  }
  if (kind === 3 && current !== undefined)
    return act(`await inMenu("Delete")`, (views: Views<Look>) => {
      views.deleted = [current, views.saved.get(current)!];
      views.saved.delete(current);
      views.current = undefined;
    });
  if (kind === 4 && deleted !== undefined)
    return act(`await inMenu("Restore ${deleted[0]}")`, (views: Views<Look>) => {
      views.saved.set(...deleted);
      views.deleted = undefined;
    });
  if (kind === 5 && saved.size > 0) {
    const name = chance.pick([...saved.keys()]);
    return act(`await inMenu("${name}")`, (views: Views<Look>) =>
      Object.assign(views, { look: copy(views.saved.get(name)!), current: name }),
    );
  }
  return act(`await inMenu("Usual view")`, (views: Views<Look>) =>
    Object.assign(views, { look: usual(), current: undefined }),
  );
}

const toText = (look: unknown) =>
  JSON.stringify(look, (_, value: unknown) => (value instanceof Set ? [...value].sort() : value));

function isChanged<Look>({ current, saved, look }: Views<Look>): boolean {
  return current !== undefined && toText(saved.get(current)) !== toText(look);
}

const readViews = `{
  button: document.getElementById("view-button").querySelector(".view-name").textContent,
  isChanged: document.querySelector("#view-button .changed") !== null,
  views: all("#view-menu .view").map((each) => [each.querySelector("span:last-child").textContent, each.getAttribute("aria-current") === "true"]),
}`;

function describeViews<Look>(m: Views<Look>): unknown {
  const compare = (a: string, b: string) => (a < b ? -1 : 1);
  return {
    button: m.current ?? "Views",
    isChanged: isChanged(m),
    views: [
      ["Usual view", m.current === undefined],
      ...[...m.saved.keys()].sort(compare).map((name) => [name, name === m.current]),
    ],
  };
}

describe("a random walk over saved views", () => {
  const workspace = useWorkspace();
  let folders: string[] = [];
  const pages = usePages(workspace, () => {
    mkdirSync(join(workspace, ".lathe", "runs"), { recursive: true });
    folders = makeRuns(workspace, 12);
  });

  /** What the file holds at the end. */
  const savedNames = (panel: string) =>
    (
      JSON.parse(readFileSync(join(workspace, ".lathe", "views.json"), "utf8")) as {
        readonly views: readonly { readonly panel: string; readonly name: string }[];
      }
    ).views.flatMap(({ panel: each, name }) => (each === panel ? [name] : []));

  it("keeps axes, switches, metrics, groups and filter of Charts equal to the view", async () => {
    const page = await pages.harness.panel("charts", { runs: [folders[0]!] }, { width: 1300, height: 800 });
    await page.page.locator(".choices").first().waitFor();
    interface Look {
      axis: string;
      grouping: string;
      filter: string;
      switches: Record<string, boolean>;
      metrics: Set<string>;
      to: string;
    }
    const usual = (): Look => ({
      axis: "step",
      grouping: "",
      filter: "",
      switches: { "log x": false, "log y": false, "no outliers": false },
      metrics: new Set(["eval/loss", "train/loss"]),
      to: "",
    });
    const model: Views<Look> = { look: usual(), saved: new Map(), current: undefined, deleted: undefined };
    const choose = (chance: Chance, m: Views<Look>): Action<Views<Look>> => {
      const set = (script: string, change: (look: Look) => unknown) =>
        act<Look>(script, ({ look }) => void change(look));
      switch (chance.below(11)) {
        case 0: {
          const axis = chance.pick(["step", "tokens", "seconds", "metric:train/learning_rate"]);
          return set(`select("Axis", "${axis}")`, (look) => (look.axis = axis));
        }
        case 1: {
          const grouping = chance.pick(["", "variant", "tag"]);
          return set(`select("Group by", "${grouping}")`, (look) => (look.grouping = grouping));
        }
        case 2: {
          const filter = chance.pick(["", "state:done", "tag:paper loss<9"]);
          return set(
            `type(named("input", "Filter the runs"), ${JSON.stringify(filter)})`,
            (look) => (look.filter = filter),
          );
        }
        case 3: {
          const name = chance.pick(["log x", "log y", "no outliers"]);
          return set(`press(".switch", "${name}")`, ({ switches }) => (switches[name] = !switches[name]));
        }
        case 4: {
          const metric = chance.pick(["eval/loss", "train/loss", "train/learning_rate"]);
          return set(
            `all('.metrics label').find(({ title }) => title === "${metric}").querySelector("input").click()`,
            ({ metrics }) => {
              if (!metrics.delete(metric)) metrics.add(metric);
            },
          );
        }
        case 5: {
          const to = chance.pick(["", "4", "2.5"]);
          return set(
            `{ const field = named("input", "y to"); field.value = "${to}"; field.dispatchEvent(new Event("change")); }`,
            (look) => (look.to = to),
          );
        }
        default:
          return chooseViewAction(chance, m, usual);
      }
    };
    const read = `{
      ...${readViews},
      axis: named("select", "Axis").value,
      grouping: named("select", "Group by").value,
      filter: named("input", "Filter the runs").value,
      switches: all(".switch").slice(1, 4).map((each) => each.getAttribute("aria-pressed") === "true"),
      metrics: all('.metrics label').filter((each) => each.querySelector("input").checked).map(({ title }) => title).sort(),
      to: named("input", "y to").value,
      count: document.querySelector(".side-head .muted").textContent,
    }`;
    await walk(page, model, choose, read, (m) => {
      const { axis, grouping, filter, switches, metrics, to } = m.look;
      return {
        ...(describeViews(m) as object),
        axis,
        grouping,
        filter,
        switches: ["log y", "log x", "no outliers"].map((name) => switches[name]),
        metrics: [...metrics].sort(),
        to,
        count: "1 run shown",
      };
    });
    expect(savedNames("charts")).toEqual([...model.saved.keys()].sort((a, b) => (a < b ? -1 : 1)));
    await page.close();
  }, 600_000);

  it("keeps columns, order, groups, filter and the picture of Runs equal to the view", async () => {
    const page = await pages.harness.panel("runs", {}, { width: 1500, height: 900 });
    await page.page.locator(".body > [role=row]").first().waitFor();
    interface Look {
      filter: string;
      group: string;
      sort: string;
      columns: Set<string>;
      picture: string;
    }
    const columns = ["State", "Progress", "Tags", "Seed"];
    const usual = (): Look => ({
      filter: "",
      group: "",
      sort: "Created descending",
      columns: new Set(["State", "Progress", "Tags"]),
      picture: "Table",
    });
    const model: Views<Look> = { look: usual(), saved: new Map(), current: undefined, deleted: undefined };
    const choose = (chance: Chance, m: Views<Look>): Action<Views<Look>> => {
      const set = (script: string, change: (look: Look) => unknown) =>
        act<Look>(script, ({ look }) => void change(look));
      switch (chance.below(10)) {
        case 0: {
          const filter = chance.pick(["", "state:done", "tag:paper"]);
          return set(
            `type(document.querySelector("vscode-textfield.filter"), "${filter}")`,
            (look) => (look.filter = filter),
          );
        }
        case 1: {
          const group = chance.pick(["", "variant", "state"]);
          return set(`select("Group by", "${group}")`, (look) => (look.group = group));
        }
        case 2: {
          const column = chance.pick(columns);
          return set(
            `document.getElementById("columns-menu").showPopover();
             (await until(() => named("#columns-menu vscode-checkbox", "${column}")?.shadowRoot?.querySelector("label"))).click();
             document.getElementById("columns-menu").hidePopover()`,
            ({ columns: shown }) => {
              if (!shown.delete(column)) shown.add(column);
            },
          );
        }
        case 3:
          // Ascending, descending, not at all.
          return set(`named(".head [role=columnheader]", "Name").click()`, (look) => {
            look.sort =
              look.sort === "Name ascending"
                ? "Name descending"
                : look.sort === "Name descending"
                  ? ""
                  : "Name ascending";
          });
        case 4: {
          const picture = chance.pick(["Table", "Scatter", "Parallel coordinates"]);
          return set(`press(".toggle", "${picture}")`, (look) => (look.picture = picture));
        }
        default:
          return chooseViewAction(chance, m, usual);
      }
    };
    const read = `{
      ...${readViews},
      filter: document.querySelector("vscode-textfield.filter").value,
      group: named("select", "Group by").value,
      sort: all(".head [aria-sort]").map((each) => each.querySelector(".text").textContent + " " + each.getAttribute("aria-sort")).join(),
      columns: all(".head [role=columnheader] .text").map((each) => each.textContent).filter((title) => ${JSON.stringify(columns)}.includes(title)).sort(),
      picture: all(".toggle").find((each) => each.getAttribute("aria-pressed") === "true").textContent.trim(),
    }`;
    await walk(page, model, choose, read, (m) => {
      const { filter, group, sort, columns: shown, picture } = m.look;
      return { ...(describeViews(m) as object), filter, group, sort, columns: [...shown].sort(), picture };
    });
    expect(savedNames("runs")).toEqual([...model.saved.keys()].sort((a, b) => (a < b ? -1 : 1)));
    await page.close();
  }, 600_000);
});
