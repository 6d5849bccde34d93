import { beforeEach, expect, test } from "vitest";
import { RunEnds } from "../../src/extension/runEnds";
import type { Alert, RunSummary } from "../../src/protocol/service/runs";
import { hostile, someRun } from "./views/someRun";

const known = new Map<string, RunSummary>();
const runs = {
  get all() {
    return [...known.values()];
  },
  get: (folder: string) => known.get(folder),
};
let ends: RunEnds;

beforeEach(() => {
  known.clear();
  ends = new RunEnds(runs);
});

function add(more: Partial<RunSummary> = {}): RunSummary {
  const run = someRun({ state: "running", ...more });
  known.set(run.folder, run);
  return run;
}

/** The run ends: its alert, and then its state. What is shown at once, and what after it. */
function end(run: RunSummary, state: "done" | "failed" | "stopped", evalLoss?: number) {
  const kind = state === "stopped" ? undefined : state;
  const message = state === "done" ? "Done." : "There is no text.";
  const alert: Alert | undefined = kind && { kind, run: run.folder, name: run.name, message };
  const atOnce = alert && ends.add(alert);
  const metrics =
    evalLoss === undefined ? {} : { "eval/loss": { last: evalLoss, min: evalLoss, max: evalLoss } };
  known.set(run.folder, { ...run, state, metrics });
  return [...(atOnce === undefined ? [] : [atOnce]), ...ends.takeFinished()];
}

test("eight runs of an experiment give one notice, with the best of them", () => {
  const all = Array.from({ length: 8 }, (_, i) =>
    add({ name: `quick-${i}`, experiment: "/w/quick.lathe.md" }),
  );
  const notices = all.flatMap((run, i) => end(run, "done", 2 - (i === 5 ? 1 : 0)));
  expect(notices.map(({ level, text }) => [level, text])).toEqual([
    ["information", "quick: 8 runs done. The lowest eval loss is 1, of quick-5."],
  ]);
  expect(notices[0]!.runs).toEqual(all.map(({ folder }) => folder));
  expect(notices[0]!.actions.map(({ title }) => title)).toEqual(["Open Charts"]);
});

test("experiments do not wait for each other, and a single run has its own notice", () => {
  const [a, other] = [add({ experiment: "/w/a.lathe.md", name: "a" }), add({ experiment: "/w/b.lathe.md" })];
  expect(end(a, "done").map(({ text }) => text)).toEqual(["a: Done."]);
  expect(end(other, "done")).toHaveLength(1);
});

test("a failure is shown at once while others run, once, and counted in the summary", () => {
  const all = ["a", "b", "c", "d"].map((name) => add({ name }));
  expect(end(all[0]!, "failed").map(({ level, text }) => [level, text])).toEqual([
    ["error", "a: There is no text."],
  ]);
  expect(end(all[1]!, "failed")).toEqual([]);
  expect(end(all[2]!, "done")).toEqual([]);
  const [summary] = end(all[3]!, "done");
  expect(summary).toMatchObject({
    level: "error",
    text: "first: 2 runs done, 2 failed (first a: There is no text).",
    runs: [all[0]!.folder, all[1]!.folder],
  });
});

test("a run that was stopped on purpose is neither reported nor waited for", () => {
  const [a, b] = [add({ name: "a" }), add({ name: "b" })];
  expect(end(a, "done")).toEqual([]);
  expect(end(b, "stopped").map(({ text }) => text)).toEqual(["a: Done."]);
  const [c, d] = [add(), add()];
  expect([...end(c, "stopped"), ...end(d, "stopped")]).toEqual([]);
});

test("a search is reported when it has ended, not at each of its rungs", () => {
  const [a, b] = [add({ name: "a" }), add({ name: "b" })];
  known.set(a.folder, { ...a, state: "held" });
  expect(end(b, "failed").map(({ text }) => text)).toEqual(["b: There is no text."]);
  expect(ends.takeFinished()).toEqual([]);
  expect(end(a, "done").map(({ text }) => text)).toEqual([
    "first: 1 run done, 1 failed (b: There is no text).",
  ]);
});

test("a failed run that is resumed has not ended", () => {
  const [a, b] = [add({ name: "a" }), add({ name: "b" })];
  end(a, "failed");
  known.set(a.folder, { ...a, state: "running" });
  ends.forget(a.folder);
  expect(end(b, "done")).toEqual([]);
  expect(end(a, "done").map(({ text }) => text)).toEqual(["first: 2 runs done."]);
});

test("the same trouble of several runs is shown once", () => {
  const all = [add(), add(), add()];
  const spike = (run: RunSummary): Alert => ({
    kind: "spike",
    run: run.folder,
    name: run.name,
    message: "m",
  });
  expect(all.map((run) => ends.add(spike(run))?.text)).toEqual(["first: m", undefined, undefined]);
});

test("names cannot control a notification", () => {
  const all = [add({ name: hostile }), add({ name: hostile })];
  const notices = all.flatMap((run) => end(run, "failed"));
  for (const { text } of notices)
    for (const sign of ["](", "\u202e", "\u001b"]) expect(text).not.toContain(sign);
});

test("no run is the best of what was measured in different ways", () => {
  const protocol = { data: "a.txt", split: "validation", hash: "aa", tokens: 9, method: "sequences of 8" };
  const all = ["aa", "bb"].map((hash, i) =>
    add({
      name: `quick-${i}`,
      experiment: "/w/quick.lathe.md",
      losses: { "eval/loss": { ...protocol, hash } },
    }),
  );
  expect(all.flatMap((run, i) => end(run, "done", i)).map(({ text }) => text)).toEqual([
    "quick: 2 runs done. Their eval losses are not comparable: they were measured on different text or in different ways.",
  ]);
});
