import { expect, test } from "vitest";
import { summarizeActiveRuns } from "../../../src/extension/views/runTree/activeRuns";
import { hostile, loss, someRun } from "./someRun";

const running = (step: number, secondsLeft: number, last: number) =>
  someRun({
    state: "running",
    metrics: loss(last),
    progress: { step, steps: 100, secondsLeft, action: "train" },
  });

test("nothing is shown while no run is active", () => {
  expect(summarizeActiveRuns([])).toBeUndefined();
  expect(summarizeActiveRuns([someRun(), someRun({ state: "failed" })])).toBeUndefined();
});

test("two runs: their mean progress, the loss of the one started last, the time until both are done", () => {
  const active = summarizeActiveRuns([running(36, 12, 2.5), running(50, 5, 1.6234), someRun()]);
  expect(active?.text).toBe("$(sync~spin) 2 runs · 43 % · train loss 1.623 · 12 s left");
  expect(active?.spoken).toBe("Lathe: 2 runs, 43 %, train loss 1.623, 12 s left. Shows the runs.");
  expect(active?.tooltip).toContain("- **first** running · 36 % · train loss 2.5 · 12 s left");
});

test("a run that is nearly done is not done", () => {
  expect(summarizeActiveRuns([running(100, 0, 1)])?.text).toContain("99 %");
});

test("if all runs are paused or waiting, nothing spins", () => {
  const paused = someRun({ state: "paused" });
  const waiting = someRun({ state: "queued", queuePosition: 1 });
  expect(summarizeActiveRuns([paused, waiting])?.text).toBe("$(debug-pause) 1 run paused");
  expect(summarizeActiveRuns([waiting, { ...waiting, folder: "/b" }])?.text).toBe("$(clock) 2 runs waiting");
  expect(summarizeActiveRuns([someRun({ state: "queued" })])?.text).toBe("$(sync~spin) 1 run");
});

test("names are only in the tooltip, as text, in a limited number", () => {
  const runs = Array.from({ length: 30 }, () => someRun({ name: hostile, state: "running" }));
  const active = summarizeActiveRuns(runs);
  expect(active?.text).toBe("$(sync~spin) 30 runs");
  expect(active?.tooltip).toContain("- and 18 more runs");
  expect(active?.tooltip).not.toMatch(/https?:\/\/|www\.|\$\(|[^\\]<|[^\\]\]\(/);
});
