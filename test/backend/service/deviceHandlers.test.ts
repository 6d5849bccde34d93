import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { torchDeviceNames } from "../../../src/schema/device";
import { useBundledPrograms } from "./realRuns";
import { temporaryFolder } from "../runs/workbench";
import { Window } from "./window";

let window: Window;
beforeAll(async () => {
  await useBundledPrograms();
  window = await new Window().open();
}, 60_000);

test("every device is listed, the CPU works, and devices that do not work have a reason", async () => {
  const { devices } = await window.ask("devices.list", {});
  const runtimeNames = ["cpu", "webgpu", "cuda", "dml", "coreml"];
  const names = devices.map(({ name }) => name);
  expect(names.slice(0, runtimeNames.length)).toEqual(runtimeNames);
  // All devices of PyTorch, or one row with the reason why there is none.
  expect([["torch"], [...torchDeviceNames]]).toContainEqual(names.slice(runtimeNames.length));
  expect(devices.find(({ name }) => name === "cpu")).toEqual({
    name: "cpu",
    works: true,
    description: expect.stringContaining("threads") as string,
    memoryBytes: expect.any(Number) as number,
  });
  for (const { works, reason, description } of devices) {
    expect(description).not.toBe("");
    expect(works ? reason : reason?.length).toEqual(works ? undefined : expect.any(Number));
  }
}, 60_000);

test("the service does not load the runtime for this", () => {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: readonly string[] };
  expect(sharedObjects.filter((path) => /onnxruntime/i.test(path))).toEqual([]);
});

test("devices are tried once, and again on request; a trial that crashes is an error, and does not affect the next one", async () => {
  const script = join(temporaryFolder(), "lathe.cjs");
  const saved = process.env.LATHE_COMMAND;
  const { devices } = await window.ask("devices.list", {});
  writeFileSync(script, "process.kill(process.pid, 'SIGKILL')");
  chmodSync(script, 0o755);
  process.env.LATHE_COMMAND = script;
  try {
    expect(await window.ask("devices.list", {})).toEqual({ devices });
    await expect(window.ask("devices.list", { again: true })).rejects.toThrow(
      "`lathe devices` ended with SIGKILL and without an answer.",
    );
  } finally {
    process.env.LATHE_COMMAND = saved;
  }
  expect(await window.ask("devices.list", {})).toEqual({ devices });
}, 60_000);
