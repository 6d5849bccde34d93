/** The file of histograms: bounded, whole after a crash, and the same whether a run was interrupted or not. */
import { appendFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { readWatchFile, WatchWriter } from "../../../../src/backend/runs/metrics/watchFile";
import type { WatchRecord } from "../../../../src/backend/training/watch";
import type { WatchedTensor } from "../../../../src/protocol/watch";
import { createTemporaryFolder } from "../../../support/temporary";

let path: string;
beforeEach(() => {
  path = join(createTemporaryFolder(), "histograms.jsonl");
});

const tensors: readonly WatchedTensor[] = [
  { what: "weights", name: "up.weight", role: "layers.0.up", layer: 0, group: "layers.*.up weight" },
  { what: "gradients", name: "up.weight", role: "layers.0.up", layer: 0, group: "layers.*.up weight" },
];

const every = 5;
function record(step: number, isLast = false): WatchRecord {
  const spreads = tensors.slice(0, step === 0 ? 1 : 2).map((tensor, i) => ({
    tensor,
    spread: {
      mean: step / 7,
      deviation: i,
      min: -1,
      max: 2,
      notFinite: 0,
      first: 900 + i,
      counts: [1, step, 3],
    },
  }));
  return { step, turn: step / every, isLast, spreads };
}

function write(from: number, to: number, saved = -1, records = 8): void {
  using writer = new WatchWriter(path, saved, { records, bytes: 1e6 });
  for (let step = from; step <= to; step++)
    if (step % every === 0 || step === to) writer.append(record(step, step === to));
}

const read = (isWanted: (tensor: WatchedTensor) => boolean = () => true) =>
  readWatchFile(path, isWanted, new AbortController().signal);
const stepsOf = async () => [...new Set((await read()).rows.map(({ step }) => step))];

it("returns what was written", async () => {
  write(0, 10);
  expect(await read()).toEqual({
    tensors,
    rows: [0, 5, 10].flatMap((step) => record(step).spreads.map((each) => ({ step, ...each }))),
  });
  expect((await read(({ what }) => what === "gradients")).rows.map(({ step }) => step)).toEqual([5, 10]);
});

it("keeps every second record once there are too many, and the last in any case", async () => {
  write(0, 40);
  expect(await stepsOf()).toEqual([0, 10, 20, 30, 40]);
  write(0, 97);
  expect(await stepsOf()).toEqual([0, 20, 40, 60, 80, 97]);
  const { size } = statSync(path);
  write(0, 5000);
  expect((await stepsOf()).length).toBeLessThanOrEqual(9);
  expect(statSync(path).size).toBeLessThan(2 * size);
});

it("is bounded in bytes too", () => {
  {
    using writer = new WatchWriter(path, -1, { records: 1e6, bytes: 4000 });
    for (let step = 0; step < 500; step += every) writer.append(record(step));
  }
  expect(statSync(path).size).toBeLessThan(4500);
});

it.each([12, 43, 61, 88])("is the same for a run that was killed after step %i", async (killed) => {
  write(0, 97);
  const whole = await read();
  {
    using writer = new WatchWriter(path, -1, { records: 8, bytes: 1e6 });
    for (let step = 0; step <= killed; step++) if (step % every === 0) writer.append(record(step));
  }
  appendFileSync(path, '{"what":"weights","step":9');
  const saved = killed - (killed % 10);
  write(saved + 1, 97, saved);
  expect(await read()).toEqual(whole);
});

it("drops the last step's record of a run that is extended, if no record belongs there", async () => {
  write(0, 12);
  expect(await stepsOf()).toEqual([0, 5, 10, 12]);
  write(13, 20, 12);
  expect(await stepsOf()).toEqual([0, 5, 10, 15, 20]);
});

it("reads what is whole of a damaged file", async () => {
  write(0, 20);
  const lines = readFileSync(path, "utf8").split("\n");
  const bad = [
    '{"what":"weights","step":-1,"turn":0,"rows":[]}',
    '{"what":"weights","step":3,"turn":1,"rows":[[0,1,2]]}',
  ];
  writeFileSync(path, [...lines.slice(0, 4), "nonsense", "[]", "{}", ...bad, ...lines.slice(4)].join("\n"));
  expect(await stepsOf()).toEqual([0, 5, 10, 15, 20]);
  writeFileSync(path, lines.slice(3).join("\n"));
  expect(await read()).toMatchObject({ rows: [] });
});

it("is empty where there is no file", async () => {
  expect(await read()).toEqual({ tensors: [], rows: [] });
});
