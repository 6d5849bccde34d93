/** Histograms of a run as a window asks for them. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { watchFileName } from "../../../../src/backend/runs/metrics/watchFile";
import { RunFolder } from "../../../../src/backend/runs/folder/runFolder";
import { getWorkspaceRunsFolder } from "../../../../src/backend/runs/folder/runLocation";
import { getStatistic } from "../../../../src/protocol/watch";
import {
  createSampleRecord,
  listSampleTensors,
  writeSampleHistograms,
} from "../../../support/sampleHistograms";
import { loopPlan } from "../../runs/workbench";
import { Window } from "../window";

let window: Window;
let run: string;
beforeEach(async () => {
  window = await new Window().open();
  const plan = loopPlan({}, "watched");
  const train = { index: 0, action: "train", options: {}, key: "a" } as const;
  run = RunFolder.create(
    getWorkspaceRunsFolder(window.workspace),
    { ...plan, steps: [train, { ...train, index: 1, key: "b" }] },
    { state: "done" },
  ).path;
  await window.service.runs.rescan();
});

const group = "layers.*.mlp.down_proj weight";
const ask = (name?: string) =>
  window.ask("histograms.read", { run, what: "weights", group, ...(name === undefined ? {} : { name }) });

it("gives the records of a group by layer and step, and the histograms of one of its tensors", async () => {
  writeSampleHistograms(run, 80, { layers: 3 });
  expect((await window.ask("histograms.list", { run })).tensors).toHaveLength(listSampleTensors(3).length);
  const history = await ask("layers.1.mlp.down_proj.weight");
  expect(history.steps).toEqual([0, 20, 40, 60, 80]);
  expect(history.tensors.map(({ layer }) => layer)).toEqual([0, 1, 2]);
  const wanted = (step: number, layer: number) =>
    createSampleRecord(step, 0, 3).spreads.find(
      ({ tensor }) => tensor.group === group && tensor.layer === layer,
    )!.spread;
  expect(history.spreads).toEqual(history.steps.map((step) => wanted(step, 1)));
  for (const statistic of ["deviation", "zeros", "largest"] as const)
    expect(history.statistics[statistic]).toEqual(
      [0, 1, 2].map((layer) => history.steps.map((step) => getStatistic(wanted(step, layer), statistic))),
    );
  expect((await ask()).spreads[2]).toEqual(wanted(40, 0));
});

it("joins the trainings of a run, and shows what a running one has so far", async () => {
  expect(await window.ask("histograms.list", { run })).toEqual({ tensors: [] });
  expect(await ask()).toMatchObject({ tensors: [], steps: [], spreads: [] });
  writeSampleHistograms(run, 20);
  expect((await ask()).steps).toEqual([0, 20]);
  mkdirSync(join(run, "steps/1-train"));
  const later = createSampleRecord(60, 2, 5).spreads;
  const tensors = later.map(({ tensor }) => tensor);
  const rows = later.map(({ spread: { mean, deviation, min, max, first, counts } }, i) => ({
    what: tensors[i]!.what,
    row: [i, mean, deviation, min, max, 0, first, ...counts],
  }));
  const record = {
    what: "weights",
    step: 60,
    turn: 2,
    rows: rows.flatMap(({ what, row }) => (what === "weights" ? [row] : [])),
  };
  writeFileSync(
    join(run, "steps/1-train", watchFileName),
    [{ tensors }, record].map((line) => `${JSON.stringify(line)}\n`).join(""),
  );
  const { steps, statistics, tensors: layers } = await ask();
  expect(steps).toEqual([0, 20, 60]);
  expect(layers).toHaveLength(5);
  // The layer that only the second training has.
  expect(statistics.mean[4]).toEqual([null, null, expect.any(Number)]);
});

it("follows no link out of the run", async () => {
  writeSampleHistograms(run, 20);
  const file = join(run, "steps/0-train", watchFileName);
  const outside = join(window.workspace, "outside.jsonl");
  writeFileSync(outside, "");
  rmSync(file);
  symlinkSync(outside, file);
  await expect(ask()).rejects.toThrow("symbolic link");
});
