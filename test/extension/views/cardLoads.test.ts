import { expect, test } from "vitest";
import { listCardLoads } from "../../../src/protocol/cardLoads";
import type { RunSummary } from "../../../src/protocol/service/runs";
import { createRunTooltip } from "../../../src/extension/views/runTree/runTooltip";
import { someRun } from "./someRun";

const value = (last: number) => ({ last, min: last, max: last });
const onCards = (name: string, state: RunSummary["state"] = "running"): RunSummary => ({
  ...someRun({ state }),
  device: { name, description: "a card", reason: "selected by name" },
  metrics: {
    "train/loss": value(2),
    "gpu/10/utilization": value(3.4),
    "gpu/0/utilization": value(87.2),
    "gpu/0/memory_gb": value(45.2),
    "gpu/0/power": value(610.4),
    "gpu/0/temperature": value(64),
    "gpu/1/temperature": value(30),
  },
});

test("a running run shows the utilization, memory and power of each card, in the order of the cards", () => {
  expect(listCardLoads(onCards("torch:cuda"))).toEqual([
    { card: 0, text: "87 %, 45.20 GB, 610 W" },
    { card: 10, text: "3 %" },
  ]);
  expect(createRunTooltip(onCards("torch:cuda"))).toContain("Card 0: 87 %, 45.20 GB, 610 W  \nCard 10: 3 %");
});

test("a run on the processor, or one that has ended, shows no card", () => {
  for (const run of [onCards("cpu"), onCards("torch:cpu"), onCards("cuda", "done")]) {
    expect(listCardLoads(run)).toEqual([]);
    expect(createRunTooltip(run)).not.toContain("Card 0");
  }
});
