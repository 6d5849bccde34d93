import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { torchDeviceNames } from "../../../src/schema/device";
import { tinyExperiment, useBundledPrograms } from "./realRuns";
import { writeAnsweringInterpreter } from "../../support/interpreters";
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

test("interpreters are listed in their order: that of the window's setting, of the environment, of the Python extension", async () => {
  const [setting, named, selected] = [2, 3, 4].map((minor) =>
    writeAnsweringInterpreter({ protocol: 1, python: `3.1${minor}.0`, torch: "2.9.0", devices: [] }),
  );
  const saved = process.env.LATHE_PYTHON;
  process.env.LATHE_PYTHON = named!.path;
  window.python = { setting: setting!.path, selected: selected!.path };
  try {
    const { interpreters } = await window.ask("devices.list", { again: true });
    expect(interpreters.slice(0, 3)).toEqual([
      {
        ...{ path: setting!.path, source: "the setting lathe.pythonPath", isUsed: true },
        ...{ python: "3.12.0", torch: "2.9.0", reason: "" },
      },
      {
        ...{ path: named!.path, source: "the environment variable LATHE_PYTHON", isUsed: false },
        ...{ python: "3.13.0", torch: "2.9.0", reason: "" },
      },
      {
        ...{ path: selected!.path, source: "the Python extension", isUsed: false },
        ...{ python: "3.14.0", torch: "2.9.0", reason: "" },
      },
    ]);
    expect(window.askedForPython.at(-1)).toBeUndefined();
    window.python = {};
    const { interpreters: others } = await window.ask("devices.list", { again: true });
    expect(others[0]).toMatchObject({ path: named!.path, isUsed: true });
  } finally {
    if (saved === undefined) delete process.env.LATHE_PYTHON;
    else process.env.LATHE_PYTHON = saved;
    await window.ask("devices.list", { again: true });
  }
}, 60_000);

test("nothing is started in an untrusted workspace", async () => {
  const untrusted = await new Window().open({ trusted: false });
  await expect(untrusted.ask("devices.list", {})).rejects.toMatchObject({
    code: "unsupported",
    message: expect.stringMatching(/^Testing devices is only possible in a trusted workspace/) as string,
  });
  await expect(untrusted.service.adoptPython()).rejects.toMatchObject({ code: "unsupported" });
  expect(untrusted.askedForPython).toEqual([]);
});

test("the service does not load the runtime for this", () => {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: readonly string[] };
  expect(sharedObjects.filter((path) => /onnxruntime/i.test(path))).toEqual([]);
});

test("devices are tried once, and again on request; a trial that crashes is an error, and does not affect the next one", async () => {
  const script = join(temporaryFolder(), "lathe.cjs");
  const saved = process.env.LATHE_COMMAND;
  const list = await window.ask("devices.list", {});
  writeFileSync(script, "process.kill(process.pid, 'SIGKILL')");
  chmodSync(script, 0o755);
  process.env.LATHE_COMMAND = script;
  try {
    expect(await window.ask("devices.list", {})).toEqual(list);
    await expect(window.ask("devices.list", { again: true })).rejects.toThrow(
      "`lathe devices` ended with SIGKILL and without an answer.",
    );
  } finally {
    process.env.LATHE_COMMAND = saved;
  }
  expect(await window.ask("devices.list", {})).toEqual(list);
}, 60_000);

// Last, because the checks of a run load the runtime.
test("the window is asked for its interpreter only by a run on a device of PyTorch, which then uses it", async () => {
  const { path } = writeAnsweringInterpreter({ python: "3.8.10" });
  const starting = await new Window().open();
  starting.python = { setting: path };
  const file = join(starting.workspace, "tiny.lathe.md");
  const start = (device: string) => {
    writeFileSync(file, tinyExperiment.replace("device: cpu", `device: ${device}`));
    return starting.ask("runs.start", { experiment: file });
  };
  try {
    await expect(start("dml")).rejects.toMatchObject({ code: "device-failed" });
    expect(starting.askedForPython).toEqual([]);
    await expect(start("torch:cpu")).rejects.toMatchObject({
      code: "device-failed",
      message: `PyTorch devices require Python 3.10 or newer, but ${path} (from the setting lathe.pythonPath) is Python 3.8.10. Select another interpreter with the setting lathe.pythonPath or the environment variable LATHE_PYTHON.`,
    });
    expect(starting.askedForPython).toEqual([file]);
  } finally {
    delete process.env.LATHE_PYTHON_SETTING;
  }
}, 60_000);
