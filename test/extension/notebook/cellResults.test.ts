import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CellResult, readCellResults } from "../../../src/extension/notebook/cellResults";
import type { AttachedRun } from "../../../src/protocol/service/experiments";
import { experimentWorkspace, ForkedService, useForkedService } from "../../backend/service/forkedService";

useForkedService();

const cells =
  "variants: {small: {}, large: {model: {n_embd: 32}}}\n```\n\n```yaml\nevaluate: {perplexity: {}}";
const train = 2;
const evaluate = 4;

/** The results that the service attaches to each cell of the file. */
async function attachedTo(service: ForkedService, experiment: string): Promise<AttachedRun[][]> {
  const text = readFileSync(experiment, "utf8");
  const { attached } = await service.ask("experiment.attach", { file: experiment, text });
  return [train, evaluate].map((index) => attached.filter(({ cell }) => cell === index));
}

async function resultsOf(service: ForkedService, experiment: string): Promise<[CellResult, CellResult]> {
  const found = await readCellResults(service.connection, await attachedTo(service, experiment), (run) =>
    service.rows.get(run),
  );
  return found as [CellResult, CellResult];
}

async function start(steps: number, milliseconds = 5) {
  const { workspace, experiment } = experimentWorkspace({ steps, milliseconds, cells });
  const service = await ForkedService.open(workspace);
  const { runs } = await service.ask("runs.start", { experiment });
  for (const run of runs) await service.row(run.folder, Boolean);
  return { service, experiment, runs: runs.map(({ folder }) => folder) };
}

describe("the results of cells", () => {
  test("the training cell starts, the one below waits, and both end successfully with their own steps", async () => {
    const { service, experiment, runs } = await start(300);
    await service.row(runs[0]!, (row) => (row?.progress?.step ?? 0) > 0);
    const [training, waiting] = await resultsOf(service, experiment);
    expect(training).toMatchObject({ begun: true, ended: false });
    expect(training.success).toBe(undefined);
    expect(training.output.runs.map(({ summary }) => summary.variant)).toEqual(["small", "large"]);
    expect(waiting).toMatchObject({ begun: false, ended: false });
    for (const run of runs) await service.row(run, (row) => row?.state === "done", 60_000);
    const [trained, evaluated] = await resultsOf(service, experiment);
    expect(trained).toMatchObject({ begun: true, ended: true, success: true });
    expect(trained.output.runs.flatMap(({ steps }) => steps.map(({ action }) => action))).toEqual([
      "train",
      "train",
    ]);
    const losses = trained.output.series.filter(({ metric }) => metric === "train/loss");
    expect(losses.map(({ run }) => run)).toEqual(runs);
    expect(losses[0]!.total).toBe(300);
    expect(losses[0]!.x.length).toBeLessThanOrEqual(400);
    expect(trained.endedAt).toBeGreaterThan(trained.startedAt!);
    expect(evaluated).toMatchObject({ begun: true, ended: true, success: true });
    expect(evaluated.output.series).toEqual([]);
  });

  test("a run that has done all its steps does not end a cell before it is reported as done", async () => {
    const { service, experiment, runs } = await start(100);
    const early = new Map(runs.map((run) => [run, { ...service.rows.get(run)!, state: "running" as const }]));
    for (const run of runs) await service.row(run, (row) => row?.state === "done", 60_000);
    // As the process of a real run leaves them.
    for (const run of runs)
      for (const step of ["0-train", "1-evaluate"]) {
        mkdirSync(join(run, "steps", step), { recursive: true });
        writeFileSync(join(run, "steps", step, "done.json"), JSON.stringify({ lines: [0, 100] }));
      }
    const attached = await attachedTo(service, experiment);
    const before = await readCellResults(service.connection, attached, (run) => early.get(run));
    expect(before).toMatchObject([{ ended: false }, { ended: false }]);
    expect(await resultsOf(service, experiment)).toMatchObject([{ success: true }, { success: true }]);
  });

  test("a run that was stopped on purpose ends its cells, neither as a success nor as a failure", async () => {
    const { service, experiment, runs } = await start(100_000);
    await service.row(runs[0]!, (row) => (row?.progress?.step ?? 0) > 0);
    for (const run of [...runs].reverse()) await service.ask("runs.stop", { run });
    for (const run of runs) await service.row(run, (row) => row?.state === "stopped");
    const [training, waiting] = await resultsOf(service, experiment);
    expect(training).toMatchObject({ begun: true, ended: true });
    expect(training.success).toBe(undefined);
    const failed = await readCellResults(
      service.connection,
      await attachedTo(service, experiment),
      (run) => ({ ...service.rows.get(run)!, state: run === runs[0] ? "failed" : "stopped" }),
    );
    expect(failed[0]).toMatchObject({ ended: true, success: false });
    const pruned = await readCellResults(
      service.connection,
      await attachedTo(service, experiment),
      (run) => ({ ...service.rows.get(run)!, state: run === runs[0] ? "done" : "pruned" }),
    );
    expect(pruned[0]).toMatchObject({ ended: true, success: true });
    expect(waiting).toMatchObject({ begun: false, ended: true });
    expect(waiting.success).toBe(undefined);
  });

  test("a removed run is left out, and a changed text makes its results stale", async () => {
    const { service, experiment, runs } = await start(1);
    for (const run of runs) await service.row(run, (row) => row?.state === "done", 60_000);
    const attached = await attachedTo(service, experiment);
    await service.ask("runs.trash", { runs: runs.slice(0, 1) });
    const [trained] = await readCellResults(service.connection, attached, (run) => service.rows.get(run));
    expect(trained!.output.runs.map(({ summary }) => summary.folder)).toEqual(runs.slice(1));
    const text = readFileSync(experiment, "utf8").replace("max_steps: 1", "max_steps: 2");
    writeFileSync(experiment, text);
    const [changed] = await resultsOf(service, experiment);
    expect(changed.output.runs.map(({ stale }) => stale)).toEqual([true]);
  });
});
