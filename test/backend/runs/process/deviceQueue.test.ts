import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeAll, beforeEach, expect, it } from "vitest";
import { controlRun } from "../../../../src/backend/runs/control/controlClient";
import { DeviceQueue, getQueuesFolder } from "../../../../src/backend/runs/process/deviceQueue";
import { withFolderLock } from "../../../../src/backend/runs/process/folderMutex";
import { startRun } from "../../../../src/backend/runs/process/startRun";
import { bundleLoop, ended, inState, loopPlan, newWorkspace, until } from "../workbench";

let script: string;
let workspace: string;
beforeAll(async () => {
  script = await bundleLoop();
});
beforeEach(() => {
  workspace = newWorkspace();
});

const endless = { steps: 10_000, milliseconds: 5, saveSteps: 1_000_000 };
const start = (name: string, options = {}, parallel = false) =>
  startRun(loopPlan(options, name), { workspace, script, parallel });
const inLine = async () => (await new DeviceQueue("cpu").entries()).map(({ id }) => id.split("-")[0]);
const queued = (folder: string, position: number) =>
  until(folder, ({ state, queuePosition }) => state === "queued" && queuePosition === position);

it("starts the runs of one device one after another, in order", async () => {
  const a = await start("a", endless);
  await inState(a.folder, "running");
  const b = await start("b", { steps: 5 });
  await queued(b.folder, 1);
  const c = await start("c", { steps: 5 });
  await queued(c.folder, 2);
  expect(await inLine()).toEqual(["a", "b", "c"]);
  await controlRun(a.folder, { command: "stop" });
  const [first, second, third] = [await ended(a.folder), await ended(b.folder), await ended(c.folder)];
  expect([first, second, third].map(({ state }) => state)).toEqual(["stopped", "done", "done"]);
  expect(Date.parse(second.startedAt!)).toBeGreaterThanOrEqual(Date.parse(first.endedAt!) - 100);
  expect(Date.parse(third.startedAt!)).toBeGreaterThanOrEqual(Date.parse(second.endedAt!) - 100);
  expect(third.queuePosition).toBeUndefined();
  await expect.poll(inLine).toEqual([]);
});

it("starts the next run when the one with the device is killed", async () => {
  const a = await start("a", endless);
  await inState(a.folder, "running");
  const b = await start("b", { steps: 5 });
  await queued(b.folder, 1);
  process.kill(a.pid, "SIGKILL");
  expect((await ended(b.folder)).state).toBe("done");
  expect((await ended(a.folder)).state).toBe("interrupted");
});

it("skips a run that was killed while waiting, and stops a waiting run immediately", async () => {
  const a = await start("a", endless);
  await inState(a.folder, "running");
  const b = await start("b", endless);
  await queued(b.folder, 1);
  const c = await start("c", endless);
  await queued(c.folder, 2);
  const d = await start("d", { steps: 5 });
  await queued(d.folder, 3);
  process.kill(b.pid, "SIGKILL");
  await queued(c.folder, 1);
  await controlRun(c.folder, { command: "stop" });
  expect(await ended(c.folder)).toMatchObject({ state: "stopped", summary: {} });
  await controlRun(a.folder, { command: "stop" });
  expect((await ended(d.folder)).state).toBe("done");
});

it("changes the order on request, except of active runs", async () => {
  const a = await start("a", endless);
  await inState(a.folder, "running");
  const b = await start("b", { steps: 5 });
  await queued(b.folder, 1);
  const c = await start("c", { steps: 5 });
  await queued(c.folder, 2);
  const queue = new DeviceQueue("cpu");
  await queue.move(c.id, "first");
  expect(await inLine()).toEqual(["a", "c", "b"]);
  await queued(c.folder, 1);
  await queue.move(c.id, "last");
  expect(await inLine()).toEqual(["a", "b", "c"]);
  await queue.move(c.id, "first");
  await expect(queue.move(a.id, "last")).rejects.toMatchObject({ code: "invalid-input" });
  await expect(queue.move("nobody", "last")).rejects.toMatchObject({ code: "invalid-input" });
  await controlRun(a.folder, { command: "stop" });
  const [second, third] = [await ended(c.folder), await ended(b.folder)];
  expect(Date.parse(third.startedAt!)).toBeGreaterThanOrEqual(Date.parse(second.endedAt!) - 100);
});

it("starts a parallel run immediately, and makes later ones wait for both", async () => {
  const a = await start("a", endless);
  await inState(a.folder, "running");
  const b = await start("b", endless, true);
  await inState(b.folder, "running");
  const c = await start("c", { steps: 5 });
  await queued(c.folder, 2);
  await controlRun(a.folder, { command: "stop" });
  await queued(c.folder, 1);
  await controlRun(b.folder, { command: "stop" });
  expect((await ended(c.folder)).state).toBe("done");
});

it("keeps devices separate", async () => {
  const a = await start("a", endless);
  await inState(a.folder, "running");
  const b = await startRun({ ...loopPlan({ steps: 5 }, "b"), device: "webgpu" }, { workspace, script });
  expect((await ended(b.folder)).state).toBe("done");
  expect(DeviceQueue.all().map(({ device }) => device)).toEqual(["cpu", "webgpu"]);
  await controlRun(a.folder, { command: "stop" });
  await ended(a.folder);
});

it("reports what to do about a queue that can't be read", async () => {
  const folder = join(getQueuesFolder(), "cpu");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "queue.json"), "{");
  const { folder: run } = await start("a");
  expect((await ended(run)).failure).toMatchObject({
    code: "corrupt",
    message: expect.stringContaining("Delete it") as string,
  });
});

it("reports what to do if the queue can't be written, and still starts a parallel run", async () => {
  process.env.LATHE_STATE_DIR = join(workspace, "file");
  writeFileSync(join(workspace, "file"), "");
  const waiting = await ended((await start("a")).folder);
  expect(waiting.failure).toMatchObject({
    code: "io",
    message: expect.stringContaining("--parallel") as string,
  });
  const parallel = await ended((await start("b", { steps: 2 }, true)).folder);
  expect(parallel.state).toBe("done");
  expect(parallel.notices.join()).toContain("LATHE_STATE_DIR");
});

it("keeps exclusive sections exclusive", async () => {
  const file = join(workspace, "counter");
  writeFileSync(file, "0");
  const increase = () =>
    withFolderLock(workspace, async () => {
      const before = Number(readFileSync(file, "utf8"));
      await setTimeout(2);
      writeFileSync(file, String(before + 1));
    });
  await Promise.all(Array.from({ length: 20 }, increase));
  expect(readFileSync(file, "utf8")).toBe("20");
});
