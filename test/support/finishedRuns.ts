/** Finished runs of an experiment without training: the plans of its text with the numbers that a test gives. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadPlans } from "../../src/backend/runs/planning/loadPlans";
import { schemaCatalog } from "../../src/backend/schemaCatalog";
import type { RunPlan, RunRecord } from "../../src/protocol/run";

/** Undefined if the plan has not been run. */
export type FinishPlan = (plan: RunPlan, index: number) => Partial<RunRecord> | undefined;

/** Writes `run.json` and a short history of each; returns their folders. */
export async function writeFinishedRuns(file: string, finish: FinishPlan): Promise<string[]> {
  const { plans, workspace } = await loadPlans(file, {}, schemaCatalog);
  return plans.flatMap((plan, i) => {
    const record = finish(plan, i);
    return record === undefined ? [] : [writeFinishedRun(workspace, plan, i, record)];
  });
}

function writeFinishedRun(
  workspace: string,
  plan: RunPlan,
  index: number,
  record: Partial<RunRecord>,
): string {
  const id = `${plan.name}-20261120-0930${String(index).padStart(2, "0")}-${index.toString(16).padStart(4, "0")}`;
  const folder = join(workspace, ".lathe", "runs", id);
  mkdirSync(folder, { recursive: true });
  const time = `2026-11-20T09:30:${String(index).padStart(2, "0")}.000Z`;
  const made: RunRecord = {
    id,
    name: plan.name,
    state: "done",
    plan,
    workspace,
    createdAt: time,
    startedAt: time,
    endedAt: time,
    seconds: 60 + index,
    device: { name: "cpu", description: "2 threads", reason: "asked for" },
    versions: { lathe: "0.1.0", node: "22.0.0" },
    progress: { step: 10, steps: 10, action: "train" },
    summary: {},
    notices: [],
    ...record,
  };
  writeFileSync(join(folder, "run.json"), JSON.stringify(made));
  const lines = Array.from({ length: 10 }, (_, step) => ({
    step: step + 1,
    tokens: (step + 1) * 32,
    seconds: step + 1,
    "train/loss": (4 + index / 10) / (1 + step / 4),
  }));
  writeFileSync(join(folder, "metrics.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return folder;
}
