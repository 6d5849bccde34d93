/** What a window does with runs that are stored: notes, differences, logs, the trash. */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { RunFolder } from "../../../../src/backend/runs/folder/runFolder";
import { getWorkspaceRunsFolder } from "../../../../src/backend/runs/folder/runLocation";
import { loopPlan } from "../../runs/workbench";
import {
  experimentWorkspace,
  ForkedService,
  inStateOf,
  startExperiment,
  useForkedService,
} from "../forkedService";

useForkedService();

describe("notes, differences, log, trash", () => {
  const ready = async (count = 1) => {
    const { workspace } = experimentWorkspace();
    const folders = Array.from({ length: count }, (_, i) =>
      RunFolder.create(getWorkspaceRunsFolder(workspace), loopPlan({ steps: 40 + i }, `r${i}`), {
        state: "done",
      }),
    );
    const service = await ForkedService.open(workspace);
    return { workspace, service, folders, runs: folders.map(({ path }) => path) };
  };

  it("notes replace the given fields and keep the rest, including fields of a newer version", async () => {
    const { service, runs } = await ready();
    const run = runs[0]!;
    const annotate = (notes: Parameters<typeof service.ask<"runs.annotate">>[1]["notes"]) =>
      service.ask("runs.annotate", { run, notes });
    writeFileSync(join(run, "notes.json"), '{"color":"red"}');
    expect(await annotate({ name: "  my \n run ", tags: ["a", "a", " b "] })).toMatchObject({
      name: "my run",
      tags: ["a", "b"],
    });
    expect(await annotate({ star: true, notes: "why\nnot" })).toMatchObject({
      name: "my run",
      star: true,
      notes: "why\nnot",
    });
    expect(await annotate({ name: "" })).toMatchObject({ name: "r0", star: true });
    expect(JSON.parse(readFileSync(join(run, "notes.json"), "utf8"))).toEqual({
      color: "red",
      tags: ["a", "b"],
      star: true,
      notes: "why\nnot",
    });
    await expect(annotate({ tags: ["x".repeat(65)] })).rejects.toMatchObject({
      code: "invalid-input",
      message: expect.stringContaining("64") as string,
    });
    await expect(annotate({ star: "yes" as unknown as boolean })).rejects.toMatchObject({
      code: "invalid-input",
    });
    writeFileSync(join(run, "notes.json"), "half a fi");
    await expect(annotate({ star: false })).rejects.toMatchObject({ code: "corrupt" });
    expect(readFileSync(join(run, "notes.json"), "utf8")).toBe("half a fi");
  });

  it("differences contain only the settings that differ", async () => {
    const { service, runs } = await ready(3);
    expect(await service.ask("runs.differences", { runs })).toEqual({
      keys: ["train.steps"],
      values: [[40], [41], [42]],
    });
    expect(await service.ask("runs.differences", { runs: [runs[0]!, runs[0]!] })).toEqual({
      keys: [],
      values: [[], []],
    });
  });

  it("tasks are compared with those of the first run, document by document", async () => {
    const { service, folders, runs } = await ready(2);
    expect(await service.ask("runs.tasks", { runs })).toEqual({ blocks: [] });
    [1, 0].forEach((acc, i) => {
      const step = join(folders[i]!.path, "steps", "9-evaluate");
      mkdirSync(step, { recursive: true });
      const line = { task: "piqa", doc_id: 0, doc_hash: "h", values: { acc } };
      writeFileSync(join(step, "documents-piqa.jsonl"), `${JSON.stringify(line)}\n`);
    });
    const { blocks } = await service.ask("runs.tasks", { runs });
    // Records that do not show how the runs evaluated allow no comparison.
    expect(blocks).toEqual([
      {
        kind: "text",
        text: expect.stringMatching(/^r1 is not compared with r0: .* did not record/) as string,
      },
    ]);
  });

  it("the log is truncated at the start, at a whole line, never inside a character", async () => {
    const { service, folders, runs } = await ready();
    const run = runs[0]!;
    const log = (bytes: number) => service.ask("runs.log", { run, bytes });
    expect(await log(100)).toEqual({ text: "" });
    writeFileSync(join(folders[0]!.path, "log.txt"), "first 🙂\nsecond 🙂\nüber");
    expect((await log(1000)).text).toBe("first 🙂\nsecond 🙂\nüber");
    expect((await log(8)).text).toBe("über");
    expect((await log(4)).text).toBe("ber");
    await expect(log(0)).rejects.toMatchObject({ code: "invalid-input" });
  });

  it("the trash accepts ended runs, all or none, and restores them", async () => {
    const { service, workspace, runs } = await ready(3);
    const { trashed } = await service.ask("runs.trash", { runs: runs.slice(0, 2) });
    expect(readdirSync(join(workspace, ".lathe", "trash"))).toHaveLength(2);
    await service.row(runs[0]!, (summary) => summary === undefined);
    expect((await service.ask("runs.list", {})).runs.map(({ folder }) => folder)).toEqual([runs[2]]);
    const inTrash = await service.ask("runs.trashed", {});
    expect(inTrash.runs.map(({ folder }) => folder).sort()).toEqual([...trashed].sort());
    expect(inTrash.runs.every(({ state, name }) => state !== "unreadable" && name !== "")).toBe(true);
    await service.ask("runs.restore", { trashed });
    expect((await service.ask("runs.trashed", {})).runs).toEqual([]);
    expect((await service.ask("runs.list", {})).runs).toHaveLength(3);
    const restored = service.ask("runs.restore", { trashed });
    await expect(restored).rejects.toMatchObject({ code: "not-found" });
    mkdirSync(join(workspace, ".lathe", "trash", basename(runs[1]!)));
    await expect(service.ask("runs.trash", { runs })).rejects.toMatchObject({ code: "io" });
    expect((await service.ask("runs.list", {})).runs).toHaveLength(3);
  });

  it("the trash refuses an active run", async () => {
    const { service, run } = await startExperiment({ milliseconds: 20 });
    await expect(service.ask("runs.trash", { runs: [run] })).rejects.toMatchObject({ code: "busy" });
    await service.ask("runs.stop", { run });
    const { trashed } = await service.ask("runs.trash", { runs: [run] });
    await service.ask("runs.restore", { trashed });
    await service.ask("runs.resume", { run });
    await service.row(run, inStateOf("running"));
    await service.ask("runs.stop", { run });
    // A folder that was moved by hand is no longer a run of the window.
    renameSync(run, `${run}-elsewhere`);
    await service.row(run, (summary) => summary === undefined, 5000);
  });
});
