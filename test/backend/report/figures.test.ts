import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createCurveFigures, createWeightFigures } from "../../../src/backend/report/figures";
import type { ShrinkRun } from "../../../src/statistics/shrinkSeries";
import { temporaryFolder } from "../runs/workbench";

function createRun(variant: string, lines: readonly object[]): ShrinkRun {
  const folder = join(temporaryFolder(), variant);
  mkdirSync(folder);
  writeFileSync(join(folder, "metrics.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return { folder, name: variant, variant, sweep: {}, seed: 0, state: "done", metrics: {} };
}

describe("the figures of a report", () => {
  it("draw a run of 160,000 steps with its spike, in a few thousand points", async () => {
    const steps = 160_000;
    const lines = Array.from({ length: steps }, (_, step) => ({
      step,
      seconds: step,
      "train/loss": step === 70_001 ? 9 : 1 + 1 / (1 + step),
    }));
    const [figure] = await createCurveFigures([createRun("long", lines)]);
    expect(figure!.lines.length).toBeLessThan(4000);
    expect(figure!.lines).toContainEqual(["long", "70001", "9"]);
    expect(figure!.lines.at(-1)![1]).toBe(String(steps - 1));
  });

  it("leave out the matrices of runs whose checkpoints were deleted", async () => {
    const runs = [createRun("dense", []), createRun("low", [])];
    expect(await createWeightFigures(runs, "dense", new AbortController().signal)).toEqual([]);
  });
});
