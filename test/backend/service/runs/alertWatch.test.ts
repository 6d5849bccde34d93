import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { getOwnIdentity } from "../../../../src/backend/runs/process/processIdentity";
import { RunFolder } from "../../../../src/backend/runs/folder/runFolder";
import { getWorkspaceRunsFolder } from "../../../../src/backend/runs/folder/runLocation";
import { loopPlan } from "../../runs/workbench";
import { experimentWorkspace, ForkedService, useForkedService } from "../forkedService";

useForkedService();

/** A run of this process, which writes the history of the test. */
async function ownRun(workspace: string) {
  const process = { ...(await getOwnIdentity()), socket: "" };
  const folder = RunFolder.create(getWorkspaceRunsFolder(workspace), loopPlan(), {
    state: "running",
    process,
  });
  let step = 0;
  const append = (losses: readonly number[], metric = "train/loss") => {
    const lines = losses.map(
      (loss) => `${JSON.stringify({ step: ++step, seconds: step, [metric]: loss })}\n`,
    );
    appendFileSync(join(folder.path, "metrics.jsonl"), lines.join(""));
  };
  return { folder, append };
}

const quiet = (count: number, loss = 2) => Array.from({ length: count }, (_, i) => loss + (i % 5) / 100);

/** Long enough for everything to be read twice. */
const pause = () => setTimeout(2500);

it("a jump of the loss is reported once, and not again by the service of a reloaded window", async () => {
  const { workspace } = experimentWorkspace();
  const { folder, append } = await ownRun(workspace);
  append([...quiet(60), 9, 9, ...quiet(70)]);
  const service = await ForkedService.open(workspace);
  await pause();
  expect(service.events.alertRaised).toEqual([]);
  append([9, 9]);
  await expect.poll(() => service.events.alertRaised).toMatchObject([{ kind: "spike", run: folder.path }]);
  append([...quiet(80), 30, 30]);
  const reloaded = await ForkedService.open(workspace);
  await pause();
  expect(service.events.alertRaised).toHaveLength(1);
  expect(reloaded.events.alertRaised).toEqual([]);
  folder.update({ state: "done", process: undefined, endedAt: new Date().toISOString() });
  for (const each of [service, reloaded])
    await expect.poll(() => each.events.alertRaised.at(-1)).toMatchObject({ kind: "done" });
});

it("the next training of a run begins with another loss, which does not raise an alert", async () => {
  const { workspace } = experimentWorkspace();
  const { folder, append } = await ownRun(workspace);
  mkdirSync(join(folder.path, "steps", "0-train"), { recursive: true });
  append(quiet(10));
  const service = await ForkedService.open(workspace);
  await pause();
  append(quiet(60));
  await pause();
  mkdirSync(join(folder.path, "steps", "1-compress"));
  mkdirSync(join(folder.path, "steps", "2-train"));
  append([6, 6, 6, 6]);
  await pause();
  expect(service.events.alertRaised).toEqual([]);
});

it("a plateau and a non-number are reported, and a truncated history starts over", async () => {
  const { workspace } = experimentWorkspace();
  const { folder, append } = await ownRun(workspace);
  const service = await ForkedService.open(workspace);
  await pause();
  append(quiet(12).fill(3), "eval/loss");
  await expect.poll(() => service.events.alertRaised).toMatchObject([{ kind: "plateau" }]);
  writeFileSync(join(folder.path, "metrics.jsonl"), "");
  append([1, NaN]);
  await expect
    .poll(() => service.events.alertRaised[1])
    .toMatchObject({ kind: "not-a-number", message: "train/loss is not a number at step 14." });
});
