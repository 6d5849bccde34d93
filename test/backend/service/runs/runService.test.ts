import { mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { readRun } from "../../../../src/backend/runs/folder/findRuns";
import { RunFolder } from "../../../../src/backend/runs/folder/runFolder";
import { getWorkspaceRunsFolder } from "../../../../src/backend/runs/folder/runLocation";
import { version } from "../../../../src/protocol/version";
import { ended, inState, loopPlan, pastStep } from "../../runs/workbench";
import {
  experimentWorkspace,
  ForkedService,
  inStateOf,
  startExperiment,
  useForkedService,
} from "../forkedService";

useForkedService();

describe("the service", () => {
  it("is ready immediately, reports its identity, and ends with its parent", async () => {
    const { workspace } = experimentWorkspace();
    const service = new ForkedService();
    await expect(service.ask("runs.list", {})).rejects.toMatchObject({ code: "invalid-input" });
    const opened = { folders: [workspace], experiments: [], trusted: true };
    expect(await service.ask("workspace.open", opened)).toEqual({ version, pid: service.child.pid });
    expect(await service.ask("runs.list", {})).toEqual({ runs: [] });
    await expect(service.ask("runs.everything" as "runs.list", {})).rejects.toMatchObject({
      code: "unsupported",
    });
    service.child.disconnect();
    expect(await service.exit()).toEqual([0, null]);
  });

  it("never loads the runtime's library", async () => {
    const { service } = await startExperiment({ steps: 1 });
    const maps = process.platform === "linux" ? readFileSync(`/proc/${service.child.pid!}/maps`, "utf8") : "";
    expect(maps).not.toContain("onnxruntime");
  });
});

describe("runs.start", () => {
  it("starts the runs of the file and sends events until they are done, with one alert", async () => {
    const { service, run, experiment } = await startExperiment({ steps: 30 });
    expect(service.rows.get(run) ?? (await service.row(run, Boolean))).toMatchObject({
      experiment,
      variant: "",
      seed: 0,
    });
    const done = await service.row(run, inStateOf("done"));
    expect(done).toMatchObject({ name: "tiny", progress: { step: 30, steps: 30 } });
    expect(done!.metrics["train/loss"]!.last).toBeCloseTo(4 / Math.sqrt(30));
    await expect.poll(() => service.events.alertRaised).toHaveLength(1);
    expect(service.events.alertRaised[0]).toMatchObject({ kind: "done", run, name: "tiny" });
    expect((await service.ask("runs.list", {})).runs).toEqual([done]);
  });

  it("starts every variant or only the requested one, and leaves out later cells", async () => {
    const { workspace, experiment } = experimentWorkspace({
      steps: 2,
      cells:
        "variants: {small: {}, large: {model: {n_embd: 32}}}\n```\n\n```yaml\nevaluate: {perplexity: {}}",
    });
    const service = await ForkedService.open(workspace);
    const all = await service.ask("runs.start", { experiment });
    expect(all.runs.map(({ variant }) => variant)).toEqual(["small", "large"]);
    const one = await service.ask("runs.start", {
      experiment,
      variant: "large",
      throughCell: 2,
      settings: ["train.max_steps=3"],
      fresh: true,
    });
    expect(one.runs).toHaveLength(1);
    expect((await readRun(one.runs[0]!.folder)).record?.plan).toMatchObject({
      fresh: true,
      variant: "large",
      steps: [{ action: "train", options: { max_steps: 3 } }],
    });
    await expect(service.ask("runs.start", { experiment, throughCell: 1 })).rejects.toMatchObject({
      code: "invalid-input",
      message: expect.stringContaining("nothing to run") as string,
    });
    for (const { folder } of [...all.runs, ...one.runs]) await ended(folder);
  });

  it("refuses a file with a fault, reports its place, and starts nothing", async () => {
    const { workspace, experiment } = experimentWorkspace({ cells: "evaluate: {perplexity: {strid: 1}}" });
    const service = await ForkedService.open(workspace);
    await expect(service.ask("runs.start", { experiment })).rejects.toMatchObject({
      code: "invalid-input",
      details: { position: { file: experiment } },
    });
    await expect(
      service.ask("runs.start", { experiment: join(workspace, "none.lathe.md") }),
    ).rejects.toMatchObject({
      code: "not-found",
    });
    expect(await service.ask("runs.list", {})).toEqual({ runs: [] });
  });

  it("stores runs beside the experiment on request, and later ones there too", async () => {
    const { workspace, experiment } = experimentWorkspace({ steps: 1, milliseconds: 1 });
    mkdirSync(join(workspace, ".lathe"), { recursive: true });
    const nested = join(workspace, "sub", "nested.lathe.md");
    mkdirSync(join(workspace, "sub"));
    writeFileSync(nested, readFileSync(experiment));
    const service = await ForkedService.open(workspace);
    const first = await service.ask("runs.start", { experiment: nested, beside: true });
    const second = await service.ask("runs.start", { experiment: nested });
    const beside = realpathSync(join(workspace, "sub", ".lathe", "runs"));
    for (const { folder } of [...first.runs, ...second.runs]) {
      expect(dirname(folder)).toBe(beside);
      await service.row(folder, (row) => row?.state === "done");
    }
  });

  it("finds the runs of an experiment whose workspace is not the opened folder", async () => {
    const { workspace, experiment } = experimentWorkspace({ steps: 1 });
    const service = await ForkedService.open(join(workspace, "nowhere"));
    const { runs } = await service.ask("runs.start", { experiment });
    await service.row(runs[0]!.folder, inStateOf("done"));
    await service.ask("workspace.open", { folders: [], experiments: [], trusted: true });
    expect(await service.ask("runs.list", {})).toEqual({ runs: [] });
    await expect.poll(() => service.rows.size).toBe(0);
    await service.ask("workspace.open", { folders: [], experiments: [experiment], trusted: true });
    expect((await service.ask("runs.list", {})).runs).toHaveLength(1);
  });
});

describe("an active run", () => {
  it("pauses, continues, writes a checkpoint, stops, and resumes", async () => {
    const { service, run } = await startExperiment({ steps: 10_000, milliseconds: 5 });
    await pastStep(run, 2);
    await service.ask("runs.pause", { run });
    await service.row(run, inStateOf("paused"));
    await service.ask("runs.continue", { run });
    await service.row(run, inStateOf("running"));
    expect(await service.ask("runs.checkpoint", { run })).toMatchObject({ folder: run, state: "running" });
    const stopped = await service.ask("runs.stop", { run });
    expect(stopped.state).toBe("stopped");
    expect((await readRun(run)).record?.state).toBe("stopped");
    await expect(service.ask("runs.pause", { run })).rejects.toMatchObject({ code: "invalid-input" });
    const resumed = await service.ask("runs.resume", { run });
    expect(["queued", "running"]).toContain(resumed.state);
    await service.row(run, inStateOf("running"));
    await service.ask("runs.stop", { run });
    expect(readFileSync(join(run, "log.txt"), "utf8")).toMatch(/Resumed from step \d+/);
    expect(service.events.alertRaised).toEqual([]);
  });

  it("is stopped even if the request is no longer waiting for its end", async () => {
    const { service, run } = await startExperiment({ milliseconds: 1500 });
    await pastStep(run, 1);
    const controller = new AbortController();
    const answer = service.ask("runs.stop", { run }, controller.signal);
    await setTimeout(50);
    controller.abort();
    await expect(answer).rejects.toMatchObject({ code: "cancelled" });
    await service.row(run, inStateOf("stopped"));
  });

  it("shows as interrupted when its process is killed, with an alert, and resumes", async () => {
    const { service, run } = await startExperiment({ milliseconds: 10 });
    await pastStep(run, 6);
    process.kill((await inState(run, "running")).process!.pid, "SIGKILL");
    await service.row(run, inStateOf("interrupted"), 5000);
    expect(service.events.alertRaised).toMatchObject([{ kind: "failed", run }]);
    await service.ask("runs.resume", { run });
    await service.row(run, inStateOf("running"));
    await service.ask("runs.stop", { run });
  });

  it("reports the reason of its failure once, as an alert", async () => {
    const { workspace, experiment } = experimentWorkspace({ milliseconds: 50 });
    const service = await ForkedService.open(workspace);
    const { runs } = await service.ask("runs.start", { experiment, settings: ["train.max_grad_norm=0"] });
    const failed = await service.row(runs[0]!.folder, inStateOf("failed"));
    expect(failed!.failure).toEqual({ code: "diverged", message: "The loss is NaN at step 3." });
    await expect
      .poll(() => service.events.alertRaised)
      .toEqual([
        { kind: "not-a-number", run: failed!.folder, name: "tiny", message: "The loss is NaN at step 3." },
      ]);
  });

  it("waits for other runs of its device, and can be moved before them", async () => {
    const { service, experiment, run } = await startExperiment();
    await pastStep(run, 1);
    const start = async () => (await service.ask("runs.start", { experiment })).runs[0]!.folder;
    const [second, third] = [await start(), await start()];
    await service.row(third, (summary) => summary?.queuePosition === 2);
    await service.ask("runs.requeue", { run: third, to: "first" });
    await service.row(third, (summary) => summary?.queuePosition === 1);
    await service.row(second, (summary) => summary?.queuePosition === 2);
    await expect(service.ask("runs.requeue", { run, to: "last" })).rejects.toMatchObject({
      code: "invalid-input",
    });
    for (const each of [second, third, run]) await service.ask("runs.stop", { run: each });
  });

  it("continues when the service is killed, and a new service finds it without repeating an alert", async () => {
    const { service, workspace, experiment, run } = await startExperiment({ milliseconds: 10 });
    const quick = await service.ask("runs.start", {
      experiment,
      settings: ["train.max_steps=1"],
      parallel: true,
    });
    await service.row(quick.runs[0]!.folder, inStateOf("done"));
    const before = (await inState(run, "running")).progress?.step ?? 0;
    service.child.kill("SIGKILL");
    await expect(service.ask("runs.list", {})).rejects.toMatchObject({ code: "io" });
    await pastStep(run, before + 5);
    const next = await ForkedService.open(workspace);
    expect(next.rows.get(run)?.state).toBe("running");
    const told = next.rows.get(run)!.progress!.step;
    await next.row(run, (summary) => summary!.progress!.step > told);
    await next.ask("runs.stop", { run });
    expect(next.events.alertRaised).toEqual([]);
  });
});

describe("the index", () => {
  it("detects new and removed runs, notes of another window and a resumed run by itself", async () => {
    const { workspace } = experimentWorkspace();
    const service = await ForkedService.open(workspace);
    const folder = RunFolder.create(getWorkspaceRunsFolder(workspace), loopPlan(), { state: "done" });
    await service.row(folder.path, inStateOf("done"), 5000);
    writeFileSync(join(folder.path, "notes.json"), JSON.stringify({ tags: ["mine"], star: true }));
    await service.row(folder.path, (summary) => summary!.star && summary!.tags[0] === "mine", 3000);
    folder.update({ state: "failed", failure: { code: "io", message: "x" } });
    await service.row(folder.path, inStateOf("failed"), 3000);
    rmSync(folder.path, { recursive: true });
    await service.row(folder.path, (summary) => summary === undefined, 5000);
    await expect(service.ask("runs.log", { run: folder.path, bytes: 10 })).rejects.toMatchObject({
      code: "not-found",
    });
    rmSync(join(workspace, ".lathe"), { recursive: true });
    const later = RunFolder.create(getWorkspaceRunsFolder(workspace), loopPlan(), { state: "stopped" });
    await service.row(later.path, inStateOf("stopped"), 6000);
  });

  it("lists runs newest first, and unreadable ones last with the reason", async () => {
    const { workspace } = experimentWorkspace();
    const runs = getWorkspaceRunsFolder(workspace);
    const make = (name: string, createdAt: string) =>
      RunFolder.create(runs, loopPlan({}, name), { state: "done", createdAt }).path;
    make("old", "2026-01-01T00:00:00.000Z");
    make("new", "2026-02-01T00:00:00.000Z");
    writeFileSync(join(make("broken", "2026-03-01T00:00:00.000Z"), "run.json"), '{"id":');
    const service = await ForkedService.open(workspace);
    const { runs: listed } = await service.ask("runs.list", {});
    expect(listed.map(({ name, state }) => [name.replace(/-.*/, ""), state])).toEqual([
      ["new", "done"],
      ["old", "done"],
      ["broken", "unreadable"],
    ]);
    expect(listed[2]!.failure).toMatchObject({ code: "corrupt" });
  });

  it("lists the newest of many runs first, sends the others in events, and finds any of them immediately", async () => {
    const { workspace } = experimentWorkspace();
    const runs = getWorkspaceRunsFolder(workspace);
    const template = RunFolder.create(runs, loopPlan(), { state: "done" });
    const record = JSON.stringify(template.record);
    const names = Array.from(
      { length: 1000 },
      (_, i) =>
        `many-20260101-00${String(Math.floor(i / 60)).padStart(2, "0")}${String(i % 60).padStart(2, "0")}-0000`,
    );
    for (const name of names) {
      mkdirSync(join(runs, name));
      writeFileSync(join(runs, name, "run.json"), record);
    }
    const service = new ForkedService();
    await service.ask("workspace.open", { folders: [workspace], experiments: [], trusted: true });
    const listed = service.ask("runs.list", {});
    const oldest = join(runs, names[0]!);
    expect(await service.ask("runs.log", { run: oldest, bytes: 10 })).toEqual({ text: "" });
    const first = (await listed).runs.map(({ folder }) => folder);
    expect(first).toContain(template.path);
    expect(first).toContain(join(runs, names[999]!));
    await expect.poll(() => new Set([...first, ...service.rows.keys()]).size).toBe(1001);
    expect((await service.ask("runs.list", {})).runs).toHaveLength(1001);
  });

  it("sends events at most a few times a second", async () => {
    const { workspace } = experimentWorkspace();
    const service = await ForkedService.open(workspace);
    const begun = performance.now();
    for (let i = 0; i < 20; i++) {
      RunFolder.create(getWorkspaceRunsFolder(workspace), loopPlan({}, `r${i}`), { state: "done" });
      await setTimeout(50);
    }
    await expect.poll(() => service.rows.size).toBe(20);
    const seconds = (performance.now() - begun) / 1000;
    expect(service.events.runsChanged.length).toBeLessThanOrEqual(Math.ceil(4 * seconds) + 1);
  });
});
