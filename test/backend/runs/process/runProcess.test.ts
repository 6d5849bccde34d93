import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { controlRun } from "../../../../src/backend/runs/control/controlClient";
import { readRun } from "../../../../src/backend/runs/folder/findRuns";
import { followRun } from "../../../../src/backend/runs/metrics/followRun";
import { readMetrics } from "../../../../src/backend/runs/metrics/metricsReader";
import { resumeRun, startRun } from "../../../../src/backend/runs/process/startRun";
import { bundleLoop, ended, inState, loopPlan, newWorkspace, pastStep } from "../workbench";
import type { LoopOptions } from "../loopProgram";

let script: string;
let workspace: string;
beforeAll(async () => {
  script = await bundleLoop();
});
beforeEach(() => {
  workspace = newWorkspace();
});

const start = (options: Partial<LoopOptions> = {}) => startRun(loopPlan(options), { workspace, script });
const steps = async (folder: string) =>
  (await readMetrics(join(folder, "metrics.jsonl"))).lines.flatMap((line) =>
    "train/loss" in line ? [line.step] : [],
  );
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);
const result = (folder: string) => readFileSync(join(folder, "result.json"), "utf8");

describe("a run", () => {
  it("ends as done, with its record, history, log and configuration in its folder", async () => {
    const { folder, id } = await start();
    const record = await ended(folder);
    expect(record).toMatchObject({ id, state: "done", name: "loop", workspace, versions: { loop: "1" } });
    expect(record.process).toBeUndefined();
    expect(record.progress).toMatchObject({ step: 40, steps: 40 });
    expect(record.summary["train/loss"]).toEqual({ last: 4 / Math.sqrt(40), min: 4 / Math.sqrt(40), max: 4 });
    expect(record.seconds).toBeGreaterThan(0.3);
    expect(await steps(folder)).toEqual(upTo(40));
    const config = readFileSync(join(folder, "config.resolved.yaml"), "utf8");
    expect(config).toContain("name: loop\nfolder: ../../..\nseed: 42\n");
    expect(readFileSync(join(folder, "log.txt"), "utf8")).toMatch(/Started: loop[^]*Done\./);
    expect(existsSync(join(folder, "steps", "0-train"))).toBe(true);
    expect(existsSync(join(folder, "control.token"))).toBe(false);
    expect(existsSync(join(folder, ".reserve"))).toBe(false);
    expect(readFileSync(join(workspace, ".lathe", ".gitignore"), "utf8")).toBe("*\n!views.json\n");
  });

  it("records how busy the machine is", async () => {
    const { folder } = await start({ milliseconds: 50 });
    await ended(folder);
    const { lines } = await readMetrics(join(folder, "metrics.jsonl"));
    const system = lines.find((line) => "system/cpu" in line);
    expect(system?.["system/process_memory_gb"]).toBeGreaterThan(0.02);
    expect(system?.["system/memory_gb"]).toBeGreaterThan(0.02);
  });

  it("fails with the reason when its body throws, and on an uncaught exception", async () => {
    const diverged = await ended((await start({ failAt: 3 })).folder);
    expect(diverged).toMatchObject({
      state: "failed",
      failure: { code: "diverged", message: "The loss is NaN at step 3." },
    });
    const crashed = await start({ crashAt: 3 });
    expect(await ended(crashed.folder)).toMatchObject({
      state: "failed",
      failure: { code: "internal", message: "crashed on purpose" },
    });
    expect(readFileSync(join(crashed.folder, "log.txt"), "utf8")).toContain("at Immediate");
  });

  it("can be followed from outside, each line once, to its end", async () => {
    const { folder } = await start();
    const seen: number[] = [];
    let state = "";
    for await (const update of followRun(folder, { milliseconds: 20 })) {
      for (const line of update.lines) if ("train/loss" in line) seen.push(line.step);
      ({ state } = update.record);
    }
    expect(seen).toEqual(upTo(40));
    expect(state).toBe("done");
  });

  it("records the state of the code it was started from", async () => {
    const git = (...args: string[]) =>
      execFileSync("git", ["-C", workspace, "-c", "user.name=a", "-c", "user.email=a@b", ...args], {
        encoding: "utf8",
      });
    git("init", "-q", "-b", "trunk");
    writeFileSync(join(workspace, "code.txt"), "one\n");
    git("add", "code.txt");
    git("commit", "-q", "-m", "first");
    const clean = await ended((await start({ steps: 1 })).folder);
    const commit = git("rev-parse", "HEAD").trim();
    expect(clean.git).toEqual({ commit, branch: "trunk", dirty: false });
    writeFileSync(join(workspace, "code.txt"), "two\n");
    const { folder } = await start({ steps: 1 });
    expect((await ended(folder)).git).toMatchObject({ dirty: true });
    expect(readFileSync(join(folder, "diff.patch"), "utf8")).toContain("-one\n+two\n");
    writeFileSync(join(workspace, "code.txt"), "three\n".repeat(300_000));
    const large = await start({ steps: 1 });
    await ended(large.folder);
    expect(statSync(join(large.folder, "diff.patch")).size).toBeLessThan(1_100_000);
    expect(readFileSync(join(large.folder, "diff.patch"), "utf8")).toMatch(/\[truncated: .*\]\n$/);
  });
});

describe("control", () => {
  const long = { steps: 10_000, milliseconds: 5, saveSteps: 1_000_000 };

  it("stops with a checkpoint first, and resumes to the result of an uninterrupted run", async () => {
    const whole = await start({ milliseconds: 1 });
    await ended(whole.folder);
    const { folder } = await start({ milliseconds: 20, saveSteps: 1000 });
    await pastStep(folder, 3);
    expect(await controlRun(folder, { command: "stop" })).toMatchObject({ ok: true, state: "running" });
    const stopped = await ended(folder);
    expect(stopped.state).toBe("stopped");
    const last = stopped.progress!.step;
    expect(existsSync(join(folder, "checkpoints", `step-${last}.json`))).toBe(true);
    await resumeRun(folder, { script });
    expect((await ended(folder)).state).toBe("done");
    expect(await steps(folder)).toEqual(upTo(40));
    expect(result(folder)).toBe(result(whole.folder));
  });

  it("pauses, shows that state, does nothing meanwhile, and continues", async () => {
    const { folder } = await start(long);
    await pastStep(folder, 1);
    await controlRun(folder, { command: "pause" });
    await inState(folder, "paused");
    const { step } = await controlRun(folder, { command: "status" });
    const { seconds } = await inState(folder, "paused");
    await setTimeout(300);
    expect(await controlRun(folder, { command: "status" })).toEqual({ ok: true, state: "paused", step });
    const continued = performance.now();
    await controlRun(folder, { command: "continue" });
    const running = await inState(folder, "running");
    // The pause does not count: no more time can have been added than has passed since its end.
    expect(running.seconds! - seconds!).toBeLessThan((performance.now() - continued) / 1000 + 0.02);
    await controlRun(folder, { command: "pause" });
    await inState(folder, "paused");
    await controlRun(folder, { command: "stop" });
    expect((await ended(folder)).state).toBe("stopped");
  });

  it("writes a checkpoint on request and continues", async () => {
    const { folder } = await start(long);
    await pastStep(folder, 1);
    const { step } = await controlRun(folder, { command: "checkpoint" });
    const saved = () =>
      [step, step + 1, step + 2].some((at) => existsSync(join(folder, "checkpoints", `step-${at}.json`)));
    await expect.poll(saved).toBe(true);
    expect(await controlRun(folder, { command: "stop" })).toMatchObject({ state: "running" });
    await ended(folder);
  });

  it("answers between steps that block the thread", async () => {
    const { folder } = await start({ ...long, milliseconds: 150, block: true });
    await pastStep(folder, 1);
    const before = performance.now();
    await controlRun(folder, { command: "status" });
    expect(performance.now() - before).toBeLessThan(450);
    await controlRun(folder, { command: "stop" });
    expect((await ended(folder)).state).toBe("stopped");
  });

  it.skipIf(process.platform === "win32")("treats a termination signal as a request to stop", async () => {
    const { folder, pid } = await start(long);
    await pastStep(folder, 1);
    process.kill(pid, "SIGTERM");
    expect((await ended(folder)).state).toBe("stopped");
  });

  it("does not allow taking over a live run, or resuming a finished one", async () => {
    const { folder } = await start(long);
    await expect(resumeRun(folder, { script })).rejects.toMatchObject({ code: "busy" });
    await controlRun(folder, { command: "stop" });
    await ended(folder);
    const both = await Promise.allSettled([resumeRun(folder, { script }), resumeRun(folder, { script })]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    await controlRun(folder, { command: "stop" });
    await ended(folder);
    const done = await start({ steps: 1 });
    await ended(done.folder);
    await expect(resumeRun(done.folder, { script })).rejects.toMatchObject({ code: "invalid-input" });
  });
});

describe("a killed run", () => {
  it("shows as interrupted, and resumes to the result of an uninterrupted run without duplicate lines", async () => {
    const whole = await start({ milliseconds: 1 });
    await ended(whole.folder);
    const { folder, pid } = await start({ milliseconds: 20, saveSteps: 4 });
    await pastStep(folder, 6);
    process.kill(pid, "SIGKILL");
    const killed = await inState(folder, "interrupted");
    expect(killed.process?.pid).toBe(pid);
    const reached = await steps(folder);
    expect(reached.length).toBeGreaterThanOrEqual(6);
    expect(killed.progress?.step).toBe(reached.at(-1));
    appendFileSync(join(folder, "metrics.jsonl"), '{"step":7,"train/lo'); // Like a torn write.
    await resumeRun(folder, { script });
    const record = await ended(folder);
    expect(record.state).toBe("done");
    expect(record.failure).toBeUndefined();
    expect(await steps(folder)).toEqual(upTo(40));
    expect((await readMetrics(join(folder, "metrics.jsonl"))).bad).toBe(0);
    expect(result(folder)).toBe(result(whole.folder));
    const { lines } = await readMetrics(join(folder, "metrics.jsonl"));
    expect(lines.every((line, index) => line.seconds >= (lines[index - 1]?.seconds ?? 0))).toBe(true);
  });

  it("fails, and is not interrupted, when its process can't start", async () => {
    const broken = join(workspace, "broken.cjs");
    writeFileSync(broken, "console.error('no such luck'); process.exit(7);");
    await expect(startRun(loopPlan(), { workspace, script: broken })).rejects.toThrow(
      /status 7[^]*no such luck/,
    );
    const { listRuns } = await import("../../../../src/backend/runs/folder/findRuns");
    const [run] = await listRuns(join(workspace, ".lathe", "runs"));
    expect((await readRun(run!.folder)).record).toMatchObject({
      state: "failed",
      failure: { code: "internal" },
    });
  });
});
