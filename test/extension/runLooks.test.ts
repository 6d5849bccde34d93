/** Colors and marks of runs: the same for every page, and after the window has been closed. */
import { expect, test } from "vitest";
import { type ChartSettings, RunLooks } from "../../src/extension/panels/runLooks";
import type { SharedLook } from "../../src/protocol/page";
import { someRun } from "./views/someRun";

function createMemory(kept = new Map<string, unknown>()) {
  return {
    kept,
    get: (key: string) => kept.get(key),
    update: async (key: string, value: unknown) =>
      void kept.set(key, JSON.parse(JSON.stringify(value ?? null))),
  };
}

const runs = Array.from({ length: 60 }, (_, i) =>
  someRun({
    name: `r${i}`,
    experiment: i < 10 ? "/a.lathe.md" : "/b.lathe.md",
    createdAt: `2026-11-20T10:00:${String(i).padStart(2, "0")}Z`,
  }),
);

test("runs of an experiment differ in the order of their creation, whichever page asks first", async () => {
  const looks = new RunLooks(createMemory(), async () => [...runs].reverse());
  const [seventh, third] = [runs[6]!.folder, runs[2]!.folder];
  expect(await looks.getSlots([seventh, third])).toEqual({ [seventh]: 6, [third]: 2 });
  const all = Object.values(await looks.getSlots(runs.slice(0, 56).map(({ folder }) => folder)));
  expect(new Set(all).size).toBe(56);
});

test("what the settings decide is part of the look, and every page hears of a change", () => {
  let settings: ChartSettings = { smoothing: 0.5 };
  const looks = new RunLooks(
    createMemory(),
    async () => runs,
    () => settings,
  );
  const received: SharedLook[] = [];
  looks.onChange((look) => received.push(look));
  expect(looks.look).toEqual({ smoothing: 0.5 });
  settings = { palette: "tableau" };
  looks.notify();
  looks.setBaseline(runs[0]!.folder);
  expect(received).toEqual([{ palette: "tableau" }, { palette: "tableau", baseline: runs[0]!.folder }]);
});

test("the saved view that a panel showed last is remembered, whatever was in the memory", () => {
  const memory = createMemory(new Map<string, unknown>([["lathe.views", { runs: 3, other: "x" }]]));
  const looks = new RunLooks(memory, async () => runs);
  expect(looks.look).toEqual({});
  looks.keepView("runs", "losses");
  looks.keepView("charts", "means");
  looks.keepView("charts", undefined);
  expect(new RunLooks(memory, async () => runs).look).toEqual({ views: { runs: "losses" } });
});

test("they keep their look over sessions and while others are deleted, and so does the baseline", async () => {
  const memory = createMemory();
  const looks = new RunLooks(memory, async () => runs);
  const before = await looks.getSlots(runs.map(({ folder }) => folder));
  looks.setBaseline(runs[3]!.folder);
  const later = new RunLooks(createMemory(memory.kept), async () => runs.slice(20));
  expect(await later.getSlots([runs[40]!.folder])).toEqual({ [runs[40]!.folder]: before[runs[40]!.folder] });
  expect(later.look).toEqual({ baseline: runs[3]!.folder });
});

test("what is strange in the memory is left out", async () => {
  const memory = createMemory(
    new Map<string, unknown>([["lathe.runSlots", [["/x", 99], 3, ["/y", "1"], ["/z", 5]]]]),
  );
  const looks = new RunLooks(memory, async () => []);
  expect(await looks.getSlots(["/z", "/x"])).toEqual({ "/z": 5, "/x": 0 });
});

test("a new baseline is announced to every page", () => {
  const looks = new RunLooks(createMemory(), async () => []);
  const heard: unknown[] = [];
  const subscription = looks.onChange((look) => heard.push(look));
  looks.setBaseline("/a");
  looks.setBaseline(undefined);
  subscription.dispose();
  looks.setBaseline("/b");
  expect(heard).toEqual([{ baseline: "/a" }, {}]);
});
