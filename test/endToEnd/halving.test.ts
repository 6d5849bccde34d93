/** A search by successive halving with real runs: what continues, what is pruned, and that a kill changes neither. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { listRuns } from "../../src/backend/runs/folder/findRuns";
import type { RunRecord } from "../../src/protocol/run";
import { realWorkspace, useRealLathe } from "./realLathe";

useRealLathe();

const cells = (more = "search: {method: halving, runs: 4, factor: 2}") => `
data: {grammar: {length: 3000}, tokenizer: bytes, sequence_len: 16, val_fraction: 0.2}
model: {model_type: gpt2, n_embd: 8, n_layer: 1, n_head: 2, n_positions: 16}
device: cpu
train: {max_steps: 16, per_device_train_batch_size: 2, lr_scheduler_type: cosine}
sweep: {train.learning_rate: {min: 1e-4, max: 1e-1, scale: log}}
${more}
evaluate: {perplexity: {max_tokens: 100}}
`;

const readRuns = async (workspace: { path: string }) =>
  (await listRuns(join(workspace.path, ".lathe/runs")))
    .map(({ folder, record }) => ({ folder, record: record! }))
    .sort((a, b) => a.record.plan.halving!.candidate - b.record.plan.halving!.candidate);

/** Everything that a decision depends on or results in. */
const summarize = ({ name, state, halving, progress, summary }: RunRecord) => ({
  name,
  state,
  halving,
  step: progress?.step,
  loss: summary["eval/loss"]?.last,
});

/** It may just have ended by itself. */
function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

/** The best of those that are there continue, by plain sorting. */
function checkBracket(records: readonly RunRecord[]): void {
  let there = [...records];
  const { rungs } = records[0]!.plan.halving!;
  for (const [rung, { runs }] of rungs.entries()) {
    expect(there).toHaveLength(runs);
    if (rung === 2) break;
    const best = [...there]
      .sort((a, b) => a.halving!.values[rung]! - b.halving!.values[rung]!)
      .slice(0, rungs[rung + 1]!.runs);
    for (const record of there)
      expect((record.halving?.rung ?? 0) > rung, `${record.name} at rung ${rung}`).toBe(
        best.includes(record),
      );
    there = best;
  }
}

it("prunes, continues the same runs, and reports the steps that it took", { timeout: 240_000 }, async () => {
  const workspace = realWorkspace();
  const file = workspace.write("search.lathe.md", cells());
  const { status, output, errors } = await workspace.lathe("run", file);
  expect(errors).toContain(
    "Successive halving: 4 runs to step 4, 2 to 8, 1 to 16; 32 of the 64 steps of all runs in full (50 %)",
  );
  expect(errors).toMatch(/Rung 1 of 3, step 4: 2 runs of 4 continue with eval loss ≤ [\d.]+, 2 pruned\./);
  expect(errors).toMatch(/Rung 2 of 3, step 8: 1 run of 2 continues with eval loss ≤ [\d.]+, 1 pruned\./);
  expect(output).toContain("Successive halving: 4 runs, 1 done, 3 pruned; 32 of the 64 steps");
  expect(status).toBe(0);
  const runs = await readRuns(workspace);
  const records = runs.map(({ record }) => record);
  expect(records).toHaveLength(4);
  checkBracket(records);
  const winner = runs.find(({ record }) => record.state === "done")!;
  expect(winner.record.summary["perplexity/loss"]).toBeDefined();
  const pruned = records.filter(({ state }) => state === "pruned");
  expect(pruned.map(({ progress }) => progress!.step).sort((a, b) => a - b)).toEqual([4, 4, 8]);

  // The winner alone, trained at once with the same settings, has the same weights and losses bit for bit.
  const rate = winner.record.plan.sweep["train.learning_rate"] as number;
  const alone = workspace.write(
    "alone.lathe.md",
    cells("search: {method: grid}").replace(/\{min.*?\}/, `[${rate}]`),
  );
  const uninterrupted = await workspace.run(alone, "--fresh");
  const weights = (folder: string) => readFileSync(join(folder, "checkpoints/step-16/model.safetensors"));
  expect(weights(winner.folder).equals(weights(uninterrupted))).toBe(true);

  const show = await workspace.lathe(
    "show",
    basename(runs.find(({ record }) => record.state === "pruned")!.folder),
  );
  expect(show.output).toMatch(/pruned at step [48] of 16: eval loss [\d.]+, rung needed ≤ [\d.]+/);
  const resumed = await workspace.lathe("resume", pruned[0]!.id);
  expect(resumed.errors).toContain("was pruned by its search");

  // Detached, each run starts what comes after it, and ends in the same decisions.
  const detached = realWorkspace();
  await detached.lathe("run", detached.write("search.lathe.md", cells()), "--detach");
  await expect
    .poll(async () => (await readRuns(detached)).filter(({ record }) => record.state === "done").length, {
      timeout: 120_000,
      interval: 500,
    })
    .toBe(1);
  expect((await readRuns(detached)).map(({ record }) => summarize(record))).toEqual(records.map(summarize));
});

it("continues after a kill in the middle with the same decisions", { timeout: 240_000 }, async () => {
  const whole = realWorkspace();
  await whole.lathe("run", whole.write("search.lathe.md", cells()));
  const expected = (await readRuns(whole)).map(({ record }) => summarize(record));

  const workspace = realWorkspace();
  const file = workspace.write("search.lathe.md", cells());
  // Kill the command and the run that it follows, once in the first rung and once in the second.
  for (const values of [2, 5]) {
    const command = workspace.spawn("run", file);
    await expect
      .poll(
        async () =>
          (await readRuns(workspace)).reduce(
            (sum, { record }) => sum + (record.halving?.values.length ?? 0),
            0,
          ),
        { timeout: 120_000, interval: 20 },
      )
      .toBeGreaterThanOrEqual(values);
    command.kill("SIGKILL");
    for (const { record } of await readRuns(workspace))
      if (record.process !== undefined) endProcess(record.process.pid);
  }
  const { status, errors } = await workspace.lathe("run", file);
  expect(errors).toContain("Continuing the search that has begun");
  expect(status).toBe(0);
  const runs = await readRuns(workspace);
  expect(runs.map(({ record }) => summarize(record))).toEqual(expected);

  // Finished: the next one is another search.
  await workspace.lathe("run", file, "--detach");
  expect(await readRuns(workspace)).toHaveLength(8);
});
