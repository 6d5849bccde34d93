/** The output of a cell as the notebook's controller creates it, from runs that the service has listed. */
import { expect } from "vitest";
import type { CellOutput } from "../../src/protocol/cellOutput";
import type { RunSummary, StepResult } from "../../src/protocol/service/runs";
import type { PageHarness } from "./pageHarness";
import type { WrittenRun } from "./sampleRuns";

export interface CellOutputOptions {
  readonly steps: (run: number) => readonly StepResult[];
  readonly isStale?: (run: number) => boolean;
}

export async function createCellOutput(
  { backend }: PageHarness,
  runs: readonly WrittenRun[],
  { steps, isStale = () => false }: CellOutputOptions,
): Promise<CellOutput> {
  const summaries = new Map<string, RunSummary>();
  // The service scans occasionally for folders written by other processes.
  await expect
    .poll(async () => {
      const { runs: listed } = await backend.request("runs.list", {});
      for (const summary of listed) summaries.set(summary.folder, summary);
      return runs.filter((run) => !run.isListed(summaries.values())).map(({ path }) => path);
    })
    .toEqual([]);
  const queries = runs.flatMap(({ path: run }) =>
    ["train/loss", "eval/loss"].map((metric) => ({ run, metric, axis: "step" as const, points: 400 })),
  );
  const { series } = await backend.request("metrics.series", { queries });
  return {
    version: 1,
    series,
    runs: runs.map(({ path }, i) => ({
      summary: summaries.get(path)!,
      steps: steps(i),
      stale: isStale(i),
    })),
  };
}
