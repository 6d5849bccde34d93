/** Which device is chosen, and that every refusal and every fallback is reported. */
import { describe, expect, it } from "vitest";
import type { DeviceName } from "../../../src/schema/device";
import { getAutomaticOrder, chooseDevice, listDevices } from "../../../src/backend/engine/devices";
import { isTorchDevice } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { tryDevice } from "../../../src/backend/engine/probe";
import { resolveThreadCount } from "../../../src/backend/engine/runtime";
import { webgpuSkipReason } from "../../support/webgpu";

describe("devices", () => {
  it("are all listed, each either working or with a reason and a remedy", async () => {
    const reports = await listDevices();
    const runtime = reports.filter(({ name }) => !isTorchDevice(name));
    expect(runtime.map(({ name }) => name)).toEqual(["cpu", "webgpu", "cuda", "dml", "coreml"]);
    expect(reports[0]).toMatchObject({
      works: true,
      description: expect.stringMatching(/threads$/) as string,
    });
    for (const report of runtime.filter(({ works }) => !works))
      expect(report.reason).toMatch(/\. It requires .*\.$/s);
    const torch = reports.filter(({ name }) => isTorchDevice(name));
    expect(torch.length).toBeGreaterThan(0);
    for (const report of torch.filter(({ works }) => !works)) expect(report.reason).not.toBe("");
  });

  it("opens the CPU by name without a notice", async () => {
    await using engine = await openEngine("cpu");
    expect(engine.device).toMatchObject({ name: "cpu", reason: "selected by name", notices: [] });
  });

  it("chooses automatically, with the reason for every device", async () => {
    const device = await chooseDevice("auto");
    expect(device.reason).toMatch(/^auto: /);
    expect(device.reason).toContain(device.name);
    if (device.name === "cpu")
      expect(device.notices).toEqual([expect.stringMatching(/^Running on the CPU: .*webgpu/) as string]);
    else expect(device.notices).toEqual([]);
  });

  it("chooses a software driver only on request, with a warning", async ({ skip }) => {
    skip(webgpuSkipReason !== undefined, webgpuSkipReason);
    const webgpu = (await listDevices()).find(({ name }) => name === "webgpu")!;
    skip(!webgpu.software, "this machine has a graphics card");
    expect((await chooseDevice("webgpu")).notices).toEqual([
      expect.stringMatching(/the device cpu is faster/) as string,
    ]);
    expect((await chooseDevice("auto")).reason).toMatch(/webgpu has only a software driver \(SwiftShader/);
  });

  it("refuses an unknown name and lists the known ones and the nearest", async () => {
    await expect(openEngine("wegpu" as DeviceName)).rejects.toMatchObject({
      code: "invalid-input",
      message: expect.stringMatching(
        /"wegpu".*auto, cpu, webgpu, cuda, dml, coreml, torch, torch:cuda, .*Did you mean "webgpu"/,
      ) as string,
      details: { nearest: "webgpu" },
    });
  });

  it("fails if a named device does not start, and reports what to do", async () => {
    const broken = (await listDevices()).find(({ name, works }) => !works && !isTorchDevice(name))!;
    await expect(openEngine(broken.name)).rejects.toMatchObject({
      code: "device-failed",
      message: expect.stringContaining("--device cpu") as string,
    });
  });

  it("never tries Core ML, and DirectML only on Windows", () => {
    expect(getAutomaticOrder("darwin")).toEqual(["webgpu", "cpu"]);
    expect(getAutomaticOrder("win32")).toEqual(["cuda", "webgpu", "dml", "cpu"]);
    expect(getAutomaticOrder("linux")).toEqual(["cuda", "webgpu", "cpu"]);
  });

  it("survive a driver that crashes, hangs or returns nothing", async () => {
    const reason = async (script: string) => {
      const answer = await tryDevice("webgpu", { script, timeoutMilliseconds: 1500 });
      return answer.works ? "" : answer.reason;
    };
    expect(await reason("process.kill(process.pid, 'SIGKILL')")).toMatch(
      /^its driver crashed a trial process/,
    );
    expect(await reason("while (true);")).toBe("its driver did not answer within 1.5 seconds");
    expect(await reason("process.exit(3)")).toBe("a trial process ended without an answer (exit status 3)");
  });
});

describe("threads", () => {
  it("are set by the option, else the environment, else the machine", () => {
    expect(resolveThreadCount(3)).toBe(3);
    process.env.LATHE_THREADS = "2";
    expect(resolveThreadCount(undefined)).toBe(2);
    process.env.LATHE_THREADS = "many";
    expect(() => resolveThreadCount(undefined)).toThrow(/positive integer, not many/);
    delete process.env.LATHE_THREADS;
    expect(resolveThreadCount(undefined)).toBeGreaterThanOrEqual(0);
  });
});
