import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { readRecord } from "../../../../src/backend/runs/folder/runFolder";
import { ForkedService, inStateOf, startExperiment, useForkedService } from "../forkedService";

useForkedService();

describe("running a run again", () => {
  it("starts a new run with the changes, next to the old one, which stays as it is", async () => {
    const { service, run, experiment } = await startExperiment({ steps: 4 });
    await service.row(run, inStateOf("done"));
    const before = readFileSync(join(run, "run.json"), "utf8");
    const { settings } = await service.ask("runs.settings", { run });
    expect(settings.find(({ path }) => path === "train.max_steps")).toMatchObject({ value: "4" });

    const changes = ["train.max_steps=6", "seed=3"];
    expect(await service.ask("runs.planAgain", { run, settings: changes })).toEqual({
      name: "tiny-ms6-seed3",
    });
    await expect(
      service.ask("runs.planAgain", { run, settings: ["train.max_steps=-1"] }),
    ).rejects.toMatchObject({
      code: "invalid-input",
    });
    const next = await service.ask("runs.again", { run, settings: changes });
    expect(next).toMatchObject({ experiment, seed: 3, name: "tiny-ms6-seed3" });
    expect(dirname(next.folder)).toBe(dirname(run));
    await service.row(next.folder, inStateOf("done"));
    expect(readRecord(next.folder).progress).toMatchObject({ step: 6, steps: 6 });
    expect(readFileSync(join(run, "run.json"), "utf8")).toBe(before);
  });

  it("copies the settings as cells for another folder, which give the same run there", async () => {
    const { service, run, workspace } = await startExperiment({ steps: 2 });
    await service.row(run, inStateOf("done"));
    const file = join(workspace, "copies", "tiny-copy.lathe.md");
    const { text } = await service.ask("runs.asCells", { run, settings: ["train.max_steps=3"], file });
    expect(text).toContain("folder: ..\n");
    expect(text).toContain("max_steps: 3\n");
    writeFileSync(join(workspace, "tiny-copy.lathe.md"), text.replace("folder: ..\n", "name: copy\n"));
    const started = await service.ask("runs.start", { experiment: join(workspace, "tiny-copy.lathe.md") });
    expect(started.runs).toHaveLength(1);
    const [old, copy] = [readRecord(run), readRecord(started.runs[0]!.folder)];
    expect(copy.plan.data).toEqual(old.plan.data);
    expect(copy.plan.model).toEqual(old.plan.model);
    expect(copy.plan.steps[0]!.options).toEqual({ ...old.plan.steps[0]!.options, max_steps: 3 });
  });

  it("starts nothing in a workspace that is not trusted", async () => {
    const { service, run, workspace } = await startExperiment({ steps: 1 });
    await service.row(run, inStateOf("done"));
    const other = await ForkedService.open(workspace, { trusted: false });
    await expect(other.ask("runs.again", { run, settings: [] })).rejects.toMatchObject({
      code: "unsupported",
    });
  });
});
