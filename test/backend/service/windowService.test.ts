import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RunFolder } from "../../../src/backend/runs/folder/runFolder";
import { getWorkspaceRunsFolder } from "../../../src/backend/runs/folder/runLocation";
import { makeRuns } from "../../webview/runFolders";
import { loopPlan, newWorkspace } from "../runs/workbench";
import { Window } from "./window";

test("a request for one run waits only for this run, however many others are still being read", async () => {
  const window = new Window();
  const runs = makeRuns(window.workspace, 500);
  const oldest = runs.at(-1)!;
  appendFileSync(join(oldest, "metrics.jsonl"), '{"step":1,"train/loss":2,"seconds":1}\n');
  const known = () => window.service.runs.summaries().length;
  await window.open();
  const query = { run: oldest, metric: "train/loss", axis: "step", points: 8 } as const;
  await window.ask("runs.log", { run: oldest, bytes: 100 }).catch(() => undefined);
  // Aborted, so that it ends as soon as the run is known.
  const watched = { watcher: "page", series: [query] };
  await window.ask("metrics.watch", watched, AbortSignal.abort()).catch(() => undefined);
  expect(known()).toBeLessThan(runs.length);
  const { series } = await window.ask("metrics.series", { queries: [query] });
  expect(series[0]?.y).toEqual([2]);
  await window.ask("models.list", {});
  expect(known()).toBe(runs.length);
});

test("while experiments are being searched, the runs of the folders are available, and requests for those of an experiment wait", async () => {
  const window = new Window();
  const own = RunFolder.create(getWorkspaceRunsFolder(window.workspace), loopPlan(), { state: "done" }).path;
  const other = newWorkspace();
  const found = RunFolder.create(getWorkspaceRunsFolder(other), loopPlan(), { state: "done" }).path;
  const opened = { folders: [window.workspace], experiments: [], trusted: true };
  await window.service.open({ ...opened, searching: true });
  expect((await window.ask("runs.list", {})).runs.map(({ folder }) => folder)).toEqual([own]);
  const asked = [own, found].map((run) => window.ask("runs.differences", { runs: [run] }));
  await asked[0];
  await window.service.open({ ...opened, experiments: [join(other, "x.lathe.md")] });
  expect((await asked[1])?.values).toHaveLength(1);
});
