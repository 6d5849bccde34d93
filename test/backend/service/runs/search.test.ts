/** A search by halving that a window starts: the runs continue it by themselves. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { listRuns } from "../../../../src/backend/runs/folder/findRuns";
import { getWorkspaceRunsFolder } from "../../../../src/backend/runs/folder/runLocation";
import type { RunState } from "../../../../src/protocol/run";
import { useBundledPrograms } from "../realRuns";
import { Window } from "../window";

beforeAll(useBundledPrograms, 120_000);

const text = `# A search

\`\`\`yaml
data: {grammar: {length: 4000}, tokenizer: bytes, sequence_len: 16, val_fraction: 0.2}
model: {model_type: gpt2, n_embd: 8, n_layer: 1, n_head: 2, n_positions: 16}
device: cpu
train: {max_steps: 600, per_device_train_batch_size: 2}
sweep: {train.learning_rate: [1e-4, 1e-2, 1e-3]}
search: {method: halving}
\`\`\`
`;

it("waits for a run that was stopped, and continues when it is resumed", { timeout: 240_000 }, async () => {
  const window = new Window();
  process.env.LATHE_CACHE = join(window.workspace, "cache");
  const experiment = join(window.workspace, "search.lathe.md");
  writeFileSync(experiment, text);
  await window.open();
  const listStates = async (): Promise<readonly RunState[]> => {
    const runs = await listRuns(getWorkspaceRunsFolder(window.workspace));
    return runs
      .map(({ record }) => record!)
      .sort((a, b) => a.plan.halving!.candidate - b.plan.halving!.candidate)
      .map(({ state }) => state);
  };
  const { runs } = await window.ask("runs.start", { experiment });
  expect(runs).toHaveLength(3);
  // The last waits for its device: stopped there, it has not begun.
  await window.ask("runs.stop", { run: runs[2]!.folder });
  await expect(window.ask("runs.start", { experiment })).resolves.toMatchObject({
    runs: [{ folder: runs[2]!.folder }],
  });
  // Everything that the search needs is queued or running.
  await expect(window.ask("runs.start", { experiment })).rejects.toMatchObject({
    code: "busy",
    message: expect.stringContaining("The search of this experiment is running") as string,
  });
  await window.ask("runs.stop", { run: runs[2]!.folder });
  await expect.poll(listStates, { timeout: 60_000, interval: 200 }).toEqual(["held", "held", "stopped"]);
  await window.ask("runs.resume", { run: runs[2]!.folder });
  await expect
    .poll(async () => [...(await listStates())].sort(), { timeout: 120_000, interval: 200 })
    .toEqual(["done", "pruned", "pruned"]);

  await window.service.runs.rescan();
  const { runs: all } = await window.ask("runs.list", {});
  const pruned = all.find(({ state }) => state === "pruned")!;
  expect(pruned.pruned).toMatchObject({ step: 200, steps: 600, metric: "eval/loss" });
  await expect(window.ask("runs.resume", { run: pruned.folder })).rejects.toMatchObject({
    message: expect.stringContaining("was pruned by its search") as string,
  });
});
