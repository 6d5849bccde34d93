/** Saved views: a file that reads well, survives damage and other versions, and can be committed. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { SavedView } from "../../../../src/schema/savedViews";
import { Window } from "../window";

const losses: SavedView = {
  panel: "runs",
  name: "losses",
  filter: "state:done",
  sort: [{ column: "eval/loss.last" }],
  group: "variant",
  show: ["eval/loss.max"],
  widths: { name: 300 },
};
const curves: SavedView = { panel: "charts", name: "losses", metrics: ["eval/loss"], y_to: 4, log_x: true };

async function open(options: { readonly trusted?: boolean } = {}) {
  const window = await new Window().open(options);
  const file = join(window.workspace, ".lathe", "views.json");
  const save = (view: SavedView, replace = false) => window.ask("views.save", { view, replace });
  const list = async (panel: SavedView["panel"] = "runs") => await window.ask("views.list", { panel });
  return { window, file, save, list };
}

test("are saved, replaced, renamed and deleted by panel and name, and every page hears of it", async () => {
  const { window, file, save, list } = await open();
  expect(await list()).toEqual({ views: [] });
  await save(losses);
  await save(curves);
  await save({ ...losses, name: "all" });
  expect((await list()).views.map(({ name }) => name)).toEqual(["all", "losses"]);
  expect(await list("charts")).toEqual({ views: [curves] });
  await expect(save(losses)).rejects.toMatchObject({ code: "invalid-input" });
  await save({ panel: "runs", name: "losses" }, true);
  await expect(window.ask("views.rename", { panel: "runs", name: "losses", to: "all" })).rejects.toThrow(
    "There is a view named all already.",
  );
  await window.ask("views.rename", { panel: "runs", name: "losses", to: " best " });
  await window.ask("views.delete", { panel: "runs", name: "all" });
  await expect(window.ask("views.delete", { panel: "runs", name: "all" })).rejects.toMatchObject({
    code: "not-found",
  });
  expect((await list()).views).toEqual([{ panel: "runs", name: "best" }]);
  expect(window.events("viewsChanged")).toHaveLength(6);
  expect(readFileSync(file, "utf8")).toBe(`{
  "version": 1,
  "views": [
    {
      "panel": "charts",
      "name": "losses",
      "metrics": [
        "eval/loss"
      ],
      "log_x": true,
      "y_to": 4
    },
    {
      "panel": "runs",
      "name": "best"
    }
  ]
}
`);
});

test("can be committed, unlike the runs beside them", async () => {
  const { window, save } = await open();
  await window.run();
  // As an earlier version of Lathe wrote it.
  writeFileSync(join(window.workspace, ".lathe", ".gitignore"), "*\n");
  await save(losses);
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", window.workspace, ...args], { encoding: "utf8" });
  git("init", "-q");
  expect(git("status", "--porcelain", "--untracked-files=all").trim()).toBe("?? .lathe/views.json");
  writeFileSync(join(window.workspace, ".lathe", ".gitignore"), "runs\n");
  await save(curves);
  expect(readFileSync(join(window.workspace, ".lathe", ".gitignore"), "utf8")).toBe("runs\n");
});

test.each([
  ["no JSON", "{", /JSON/],
  ["another version", `{"version": 2, "views": []}`, /version: the version of the file is not 1/],
  [
    "a wrong value",
    `{"version": 1, "views": [{"panel": "runs", "name": "a", "widths": {"name": 1}}]}`,
    /views\.0\.widths\.name/,
  ],
  [
    "two of a name",
    `{"version": 1, "views": [{"panel": "runs", "name": "a"}, {"panel": "runs", "name": "a"}]}`,
    /two views of runs are named "a"/,
  ],
  ["too much", " ".repeat(2 ** 20 + 1), /The limit is/],
])("a file with %s gives one message, and is left as it is", async (_, text, reason) => {
  const { window, file, save, list } = await open();
  mkdirSync(join(window.workspace, ".lathe"), { recursive: true });
  writeFileSync(file, text);
  const { views, problem } = await list();
  expect(views).toEqual([]);
  expect(problem).toMatch(/^The saved views cannot be read, because of .*views\.json: /);
  expect(problem).toMatch(reason);
  await expect(save(losses)).rejects.toThrow(problem);
  expect(readFileSync(file, "utf8")).toBe(text);
});

test("keep what a newer version has added", async () => {
  const { window, file, save, list } = await open();
  mkdirSync(join(window.workspace, ".lathe"), { recursive: true });
  writeFileSync(file, JSON.stringify({ version: 1, note: "x", views: [{ ...losses, heat: 3 }] }));
  await save(curves);
  const written = JSON.parse(readFileSync(file, "utf8")) as { readonly views: readonly unknown[] };
  expect(written).toMatchObject({ note: "x", views: [curves, { heat: 3 }] });
  await save({ panel: "runs", name: "losses" }, true);
  expect((await list()).views).toEqual([{ panel: "runs", name: "losses", heat: 3 }]);
});

test.each<[string, Partial<SavedView>]>([
  ["no name", { name: " " }],
  ["a name of two lines", { name: "a\nb" }],
  ["a long name", { name: "x".repeat(81) }],
  ["a long filter", { filter: "x".repeat(1001) }],
])("a view with %s is refused", async (_, change) => {
  const { file, save } = await open();
  await expect(save({ ...losses, ...change })).rejects.toThrow(/^This view cannot be saved: /);
  expect(existsSync(file)).toBe(false);
});

test("are only read in a workspace that is not trusted", async () => {
  const { save, list, file } = await open({ trusted: false });
  expect(await list()).toEqual({ views: [] });
  await expect(save(losses)).rejects.toMatchObject({ code: "unsupported" });
  expect(existsSync(file)).toBe(false);
});
