/** Run folders from an untrusted source: nothing outside them is read or written, whatever they contain. */
import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { RunFolder } from "../../../../src/backend/runs/folder/runFolder";
import { getWorkspaceRunsFolder } from "../../../../src/backend/runs/folder/runLocation";
import type { RunRecord } from "../../../../src/protocol/run";
import { loopPlan, pastStep, temporaryFolder } from "../../runs/workbench";
import { experimentWorkspace, ForkedService, useForkedService } from "../forkedService";

useForkedService();

const secret = "the secret of another folder";
const posix = process.platform !== "win32";

function makeRun(runs: string, name = "run", facts: Partial<RunRecord> = {}): string {
  return RunFolder.create(runs, loopPlan({}, name), { state: "done", ...facts }).path;
}

function hostileWorkspace(): { readonly workspace: string; readonly runs: string; readonly outside: string } {
  const { workspace } = experimentWorkspace();
  const runs = getWorkspaceRunsFolder(workspace);
  mkdirSync(runs, { recursive: true });
  return { workspace, runs, outside: temporaryFolder() };
}

/** Replaces a file of the run with a link. */
function linkInstead(run: string, file: string, target: string): void {
  rmSync(join(run, file), { recursive: true, force: true });
  symlinkSync(target, join(run, file));
}

describe("a link", () => {
  it("in place of a run folder is not a run, and is reported", async () => {
    const { workspace, runs, outside } = hostileWorkspace();
    const target = makeRun(outside, "elsewhere");
    const link = join(runs, basename(target));
    symlinkSync(target, link);
    const service = await ForkedService.open(workspace);
    expect(service.rows.size).toBe(0);
    await expect(service.ask("runs.annotate", { run: link, notes: { star: true } })).rejects.toMatchObject({
      code: "not-found",
    });
    await expect(service.ask("runs.trash", { runs: [link] })).rejects.toMatchObject({ code: "not-found" });
    expect(existsSync(join(target, "notes.json"))).toBe(false);
    expect(service.events.logged.map(({ message }) => message).join()).toContain(
      `${link} is a symbolic link`,
    );
  });

  it("in place of run.json makes the run unreadable; moving it to the trash leaves its target", async () => {
    const { workspace, runs, outside } = hostileWorkspace();
    const target = makeRun(outside, "elsewhere");
    const run = makeRun(runs);
    linkInstead(run, "run.json", join(target, "run.json"));
    const service = await ForkedService.open(workspace);
    const [summary] = (await service.ask("runs.list", {})).runs;
    expect(summary).toMatchObject({
      state: "unreadable",
      failure: { message: expect.stringContaining("symbolic link") as string },
    });
    expect(summary!.name).toBe(basename(run));
    await service.ask("runs.trash", { runs: [run] });
    expect(existsSync(join(target, "run.json"))).toBe(true);
  });

  it("in place of the log, the notes or the history is not followed", async () => {
    const { workspace, runs, outside } = hostileWorkspace();
    const file = join(outside, "file");
    writeFileSync(file, JSON.stringify({ name: secret, tags: [secret], notes: secret }));
    const run = makeRun(runs);
    for (const name of ["log.txt", "notes.json", "metrics.jsonl"]) linkInstead(run, name, file);
    const service = await ForkedService.open(workspace);
    await expect(service.ask("runs.log", { run, bytes: 1000 })).rejects.toMatchObject({ code: "io" });
    await expect(service.ask("runs.annotate", { run, notes: { star: true } })).rejects.toMatchObject({
      code: "io",
    });
    expect(readFileSync(file, "utf8")).not.toContain("star");
    expect(JSON.stringify([...service.rows.values()])).not.toContain(secret);
    const query = { run, metric: "train/loss", axis: "step", points: 8 } as const;
    const answer = await service.ask("metrics.series", { queries: [query] }).catch(String);
    expect(JSON.stringify(answer)).not.toContain(secret);
  });

  it("in place of the trash moves nothing", async () => {
    const { workspace, runs, outside } = hostileWorkspace();
    const run = makeRun(runs);
    symlinkSync(outside, join(workspace, ".lathe", "trash"));
    const service = await ForkedService.open(workspace);
    await expect(service.ask("runs.trash", { runs: [run] })).rejects.toMatchObject({ code: "io" });
    expect(existsSync(join(run, "run.json"))).toBe(true);
  });

  it("in place of .lathe is followed only if the workspace is trusted", async () => {
    const { workspace, outside } = hostileWorkspace();
    rmSync(join(workspace, ".lathe"), { recursive: true });
    const run = makeRun(join(outside, "runs"));
    symlinkSync(outside, join(workspace, ".lathe"));
    const service = await ForkedService.open(workspace, { trusted: false });
    expect(service.rows.size).toBe(0);
    expect(service.events.logged.map(({ message }) => message).join()).toContain(
      "leads out of its workspace",
    );
    await service.ask("workspace.open", { folders: [workspace], experiments: [], trusted: true });
    expect((await service.ask("runs.list", {})).runs.map(({ folder }) => folder)).toEqual([
      realpathSync(run),
    ]);
  });
});

describe("a path", () => {
  it("that leads out of the runs is refused, in every request that names one", async () => {
    const { workspace, runs, outside } = hostileWorkspace();
    const run = makeRun(runs);
    const elsewhere = makeRun(outside);
    const service = await ForkedService.open(workspace);
    for (const named of [
      elsewhere,
      join(runs, "..", "..", basename(workspace)),
      `${run}/../${basename(run)}`,
      runs,
      "",
      `${run}/`,
    ])
      for (const request of [
        "runs.annotate",
        "runs.log",
        "runs.stop",
        "runs.resume",
        "runs.requeue",
      ] as const)
        await expect(
          service.ask(request, {
            run: named,
            notes: {},
            bytes: 10,
            to: "first",
          }),
          `${request} ${named}`,
        ).rejects.toMatchObject({ code: "not-found" });
    const { trashed } = await service.ask("runs.trash", { runs: [run] });
    const trash = dirname(trashed[0]!);
    for (const named of [
      elsewhere,
      `${trash}/../runs`,
      `${trash}/..`,
      trash,
      `${trash}/../trash/${basename(run)}`,
    ])
      await expect(service.ask("runs.restore", { trashed: [named] }), named).rejects.toMatchObject({
        code: "not-found",
      });
    await service.ask("runs.restore", { trashed });
    expect(existsSync(run)).toBe(true);
  });

  it("of an experiment that leads out of the workspace is not shown", async () => {
    const { workspace, runs } = hostileWorkspace();
    for (const experiment of ["../../../etc/passwd", "/etc/passwd", ""])
      RunFolder.create(runs, { ...loopPlan(), experiment }, { state: "done" });
    const service = await ForkedService.open(workspace);
    expect([...service.rows.values()].map(({ experiment }) => experiment)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("a record", () => {
  it("of any length, kind or content is shown as unreadable or as text, and delays nothing", async () => {
    const { workspace, runs } = hostileWorkspace();
    writeFileSync(join(makeRun(runs, "huge"), "run.json"), `{"a":"${"x".repeat(17 * 2 ** 20)}"}`);
    writeFileSync(join(makeRun(runs, "deep"), "run.json"), "[".repeat(100_000));
    const pipe = join(makeRun(runs, "pipe"), "run.json");
    rmSync(pipe);
    if (posix) execFileSync("mkfifo", [pipe]);
    const odd = makeRun(runs, "odd", {
      counts: { total: "<b>" } as unknown as NonNullable<RunRecord["counts"]>,
    });
    const markup = `<img src=x onerror=alert(1)>\u001b[31m${"x".repeat(10_000)}`;
    const shown = RunFolder.create(
      runs,
      { ...loopPlan(), name: markup },
      {
        state: "done",
        notices: Array.from({ length: 1000 }, () => markup),
      },
    ).path;
    const service = await ForkedService.open(workspace);
    expect(service.rows.size).toBe(5);
    const unreadable = [...service.rows.values()].filter(({ state }) => state === "unreadable");
    expect(unreadable).toHaveLength(4);
    expect(unreadable.map(({ folder }) => folder)).toContain(odd);
    const row = service.rows.get(shown)!;
    expect(row.name).toContain("<img src=x onerror=alert(1)>\u001b[31m");
    expect(row.name.length).toBeLessThan(250);
    expect(row.notices.length).toBeLessThan(50);
  });

  it.skipIf(!posix)("that names another user's process or socket gives no access to either", async () => {
    const victim = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    const { workspace, runs, outside } = hostileWorkspace();
    const named = {
      pid: victim.pid!,
      startedAt: "",
      host: hostname(),
      socket: join(outside, "service.sock"),
    };
    const run = makeRun(runs, "run", { state: "running", process: named });
    writeFileSync(join(run, "control.token"), "token");
    const service = await ForkedService.open(workspace);
    try {
      for (const request of ["runs.stop", "runs.pause"] as const)
        await expect(service.ask(request, { run })).rejects.toMatchObject({ code: "busy" });
      expect(victim.exitCode ?? victim.signalCode).toBeNull();
    } finally {
      victim.kill("SIGKILL");
      rmSync(run, { recursive: true });
    }
  });
});

it("an untrusted workspace starts, moves and controls nothing, but can be read and annotated", async () => {
  const { workspace, experiment } = experimentWorkspace({ milliseconds: 20 });
  const trusting = await ForkedService.open(workspace);
  const run = (await trusting.ask("runs.start", { experiment })).runs[0]!.folder;
  await pastStep(run, 1);
  const ended = makeRun(getWorkspaceRunsFolder(workspace), "ended", { state: "stopped" });
  const service = await ForkedService.open(workspace, { trusted: false });
  const refused = [
    service.ask("runs.start", { experiment }),
    service.ask("runs.resume", { run: ended }),
    service.ask("runs.requeue", { run, to: "first" }),
    service.ask("runs.trash", { runs: [ended] }),
    service.ask("runs.restore", { trashed: [] }),
    ...(["runs.stop", "runs.pause", "runs.continue", "runs.checkpoint"] as const).map((name) =>
      service.ask(name, { run }),
    ),
  ];
  for (const each of await Promise.allSettled(refused))
    expect(each).toMatchObject({
      status: "rejected",
      reason: { code: "unsupported", message: expect.stringContaining("trusted workspace") as string },
    });
  expect((await service.ask("runs.list", {})).runs).toHaveLength(2);
  expect((await service.ask("runs.log", { run, bytes: 1000 })).text).toContain("Started");
  expect(await service.ask("runs.annotate", { run: ended, notes: { star: true } })).toMatchObject({
    star: true,
  });
  await service.ask("workspace.open", { folders: [workspace], experiments: [], trusted: true });
  expect((await service.ask("runs.stop", { run })).state).toBe("stopped");
  renameSync(join(workspace, ".lathe"), join(workspace, "gone"));
  await expect.poll(() => service.rows.size).toBe(0);
});
