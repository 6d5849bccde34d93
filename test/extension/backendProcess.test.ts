import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { BackendProcess, type BackendOptions } from "../../src/extension/backendProcess";
import { createRestartPolicy } from "../../src/extension/restartPolicy";
import type { WorkbenchError } from "../../src/protocol/errors";

let folder: string;
let program: string;
let service: BackendProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "lathe-service-"));
  program = path.join(folder, "service.cjs");
  await build({
    entryPoints: [fileURLToPath(new URL("support/shakyService.ts", import.meta.url))],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "cjs",
    logLevel: "error",
  });
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  service?.dispose();
  service = undefined;
  delete process.env["SHAKY_DIES_AT_START"];
});

const workspace = { folders: ["/a"], experiments: ["/a/x.lathe.md"], trusted: true };
const folders = { ...workspace, experiments: [], searching: true };

function start(options: Partial<BackendOptions> = {}) {
  const log: string[] = [];
  const crashes: { readonly error: WorkbenchError; readonly givenUp: boolean }[] = [];
  let restarts = 0;
  service = new BackendProcess({
    program,
    executable: () => process.execPath,
    folders: () => folders,
    workspace: async () => workspace,
    host: { "python.interpreter": () => ({}) },
    log: (_, message) => log.push(message),
    onCrash: (error, givenUp) => crashes.push({ error, givenUp }),
    ...options,
  });
  service.onRestart(() => restarts++);
  return { service, log, crashes, restarts: () => restarts };
}

test("the first request starts the service, which gets the folders before it answers, and the experiments once they are found", async () => {
  let find: (found: typeof workspace) => void = () => undefined;
  const { service, log } = start({ workspace: () => new Promise((found) => (find = found)) });
  expect(log).toEqual([]);
  const answers = await Promise.all([service.request("runs.list", {}), service.request("runs.list", {})]);
  expect(answers).toEqual([{ runs: [folders] }, { runs: [folders] }]);
  find(workspace);
  await expect.poll(async () => (await service.request("runs.list", {})).runs).toEqual([folders, workspace]);
  expect(log.filter((line) => line.includes("runs as process"))).toHaveLength(1);
});

test("a running service is notified of another workspace, a stopped one when it starts", async () => {
  let opened = ["/a"];
  const { service } = start({ workspace: async () => ({ ...workspace, folders: opened }) });
  const told = async () => {
    const { runs } = await service.request("runs.list", {});
    return runs.map((each) => (each as unknown as typeof workspace).folders);
  };
  await service.reopen();
  await expect.poll(told).toEqual([["/a"], ["/a"]]);
  opened = ["/b"];
  await service.reopen();
  expect(await told()).toEqual([["/a"], ["/a"], ["/b"]]);
});

test("a service whose workspace can't be searched gets its folders, and waits for nothing else", async () => {
  const { service, log } = start({ workspace: () => Promise.reject(new Error("No search here.")) });
  await expect
    .poll(async () => (await service.request("runs.list", {})).runs)
    .toEqual([folders, { ...folders, searching: false }]);
  expect(log.filter((line) => line.includes("No search here."))).toHaveLength(1);
});

test("an error of the service arrives with its code and details", async () => {
  const { service } = start();
  await expect(service.request("runs.stop", { run: "r" })).rejects.toMatchObject({
    code: "busy",
    message: "Somebody else holds it.",
    details: { allowed: ["later"] },
  });
});

test("a crash is reported once and rejects pending requests, and the service restarts with its listeners", async () => {
  const { service, crashes, restarts } = start();
  const heard: unknown[] = [];
  service.on("alertRaised", (alert) => heard.push(alert));
  await service.request("devices.list", {});
  expect(heard).toEqual([{ kind: "done", value: NaN }]);

  const waiting = [
    service.request("runs.results", { run: "r" }),
    service.request("runs.start", { experiment: "/a/x.lathe.md" }),
  ];
  for (const each of await Promise.allSettled(waiting)) {
    expect(each).toMatchObject({ status: "rejected", reason: { code: "io", details: { crash: true } } });
  }
  expect(crashes).toHaveLength(1);
  expect(crashes[0]!.givenUp).toBe(false);
  expect(crashes[0]!.error.message).toMatch(/ended unexpectedly, with status 3\. Runs continue without it/);
  // It restarts without a request: pages that only listen must keep receiving events.
  await expect.poll(restarts).toBe(1);
  await service.request("devices.list", {});
  expect(heard).toHaveLength(2);
});

test("the next request does not wait for the pause before a restart", async () => {
  const { service } = start({
    policy: { crashed: () => ({ again: true, delay: 3_600_000 }), forget: () => undefined },
  });
  await service.request("runs.start", { experiment: "/a/x.lathe.md" }).catch(() => undefined);
  await expect(service.request("runs.list", {})).resolves.toBeDefined();
});

test("a service that crashes repeatedly is not restarted, with a reason, until the user restarts it", async () => {
  process.env["SHAKY_DIES_AT_START"] = "1";
  const { service, crashes } = start({ policy: createRestartPolicy({ most: 2 }) });
  await expect(service.request("runs.list", {})).rejects.toThrow(/ended unexpectedly, with status 7/);
  await expect.poll(() => crashes.length).toBe(2);
  expect(crashes.map(({ givenUp }) => givenUp)).toEqual([false, true]);
  expect(crashes[1]!.error.message).toContain("lathe.nodePath");
  await expect(service.request("runs.list", {})).rejects.toThrow(/is not running.*Restart Backend/);

  delete process.env["SHAKY_DIES_AT_START"];
  await service.restart();
  await expect(service.request("runs.list", {})).resolves.toBeDefined();
});

test("a service in an endless loop is also ended when it is restarted", async () => {
  const { service, log } = start();
  await service.request("runs.list", {});
  const first = Number(/process (\d+)/.exec(log.join("\n"))![1]);
  const caught = expect(service.request("runs.log", { run: "r", bytes: 1 })).rejects.toMatchObject({
    code: "cancelled",
  });
  await expect.poll(() => log).toContain("caught in a loop");
  await service.restart();
  await caught;
  const isAlive = () => {
    try {
      return process.kill(first, 0);
    } catch {
      return false;
    }
  };
  await expect.poll(isAlive).toBe(false);
});

test("a missing Node executable is a crash that names what was tried", async () => {
  const { service, crashes } = start({
    executable: () => "/nowhere/node",
    policy: createRestartPolicy({ most: 1 }),
  });
  await expect(service.request("runs.list", {})).rejects.toThrow(/could not be started.*\/nowhere\/node/);
  expect(crashes).toHaveLength(1);
});

test("a canceled request does not affect the service", async () => {
  const { service, crashes } = start();
  const controller = new AbortController();
  const waiting = service.request("runs.results", { run: "r" }, controller.signal);
  await service.request("runs.list", {});
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: "cancelled" });
  expect(crashes).toEqual([]);
});

test("crashes are forgotten after a while, and repeated ones increase the delay", () => {
  const policy = createRestartPolicy({ most: 3, within: 1000 });
  expect(policy.crashed(0)).toEqual({ again: true, delay: 250 });
  expect(policy.crashed(500)).toEqual({ again: true, delay: 500 });
  expect(policy.crashed(1200)).toEqual({ again: true, delay: 500 });
  expect(policy.crashed(1300)).toEqual({ again: false });
  policy.forget();
  expect(policy.crashed(1400)).toEqual({ again: true, delay: 250 });
});
