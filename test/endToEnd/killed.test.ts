/** A run whose process is killed at any moment resumes as if nothing had happened: the same bytes, the same curve. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { beforeAll, describe, expect, it } from "vitest";
import { isActive } from "../../src/protocol/run";
import { readRun } from "../../src/backend/runs/folder/findRuns";
import { readWatchFile, watchFileName, type WatchHistory } from "../../src/backend/runs/metrics/watchFile";
import { ended, pastStep } from "../backend/runs/workbench";
import {
  historyOf,
  killProcess,
  leftoversOf,
  type MeasuredLine,
  realWorkspace,
  recordOf,
  tensorsOf,
  useRealLathe,
  type Workspace,
} from "./realLathe";

useRealLathe();

/** All state that a training carries between steps, two trainings, and every other action between and after them. */
const cells = `
data: {grammar: {length: 6000, symbols: 12}, sequence_len: 24, val_fraction: 0.2}
model: {model_type: gpt2, n_embd: 32, n_layer: 1, n_head: 2, n_positions: 24, resid_pdrop: 0.1, embd_pdrop: 0.1, attn_pdrop: 0.1}
train: {max_steps: 50, per_device_train_batch_size: 4, gradient_accumulation_steps: 2, learning_rate: 3e-3, lr_scheduler_type: cosine, warmup_steps: 5, eval_steps: 10, save_steps: 7, weight_decay: 0.1, watch: {every: 4}}
compress: {magnitude: {sparsity: 0.5}}
`;
const rest = `
evaluate: {perplexity: {stride: 2}, generate: {prompts: [ab], max_new_tokens: 8}}
`;
/** The method takes a few seconds. */
const methodCells = `
data: {grammar: {length: 6000, symbols: 12}, sequence_len: 24}
model: {model_type: gpt2, n_embd: 40, n_layer: 6, n_head: 2, n_positions: 24}
compress: {alps: {sparsity: 0.3}}
`;
const again = `
train: {max_steps: 30, per_device_train_batch_size: 4, learning_rate: 1e-3, eval_steps: 10, save_steps: 6, watch: {every: 7}}
evaluate: {perplexity: {stride: 12}}
export: {format: safetensors}
report: {}
`;

interface Expected {
  readonly history: readonly MeasuredLine[];
  readonly tensors: ReadonlyMap<string, Buffer>;
  readonly histograms: readonly WatchHistory[];
}

let workspace: Workspace;
let file: string;
let expected: Expected;
/** Milliseconds that the run takes if it is not killed. */
let undisturbed: number;
beforeAll(async () => {
  workspace = realWorkspace({ LATHE_THREADS: "2" });
  file = workspace.write("long.lathe.md", [cells, rest, again].join("```\n\n```yaml"));
  const begun = performance.now();
  const folder = await workspace.run(file, "--fresh", "--device", "cpu");
  undisturbed = performance.now() - begun;
  expected = {
    history: await historyOf(folder),
    tensors: tensorsOf(folder),
    histograms: await histogramsOf(folder),
  };
  expect(stepsOf(expected.histograms[0]!)).toEqual([0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 50]);
  expect(stepsOf(expected.histograms[1]!)).toEqual([57, 64, 71, 78, 80]);
  const { output } = await workspace.lathe("show", folder);
  expect(output.replace(/\s+/g, " ")).toContain(
    "steps/0-train/histograms.jsonl, steps/3-train/histograms.jsonl; the Weights panel shows them over steps",
  );
});

const histogramsOf = (folder: string) =>
  Promise.all(
    ["0-train", "3-train"].map((step) =>
      readWatchFile(join(folder, "steps", step, watchFileName), () => true, new AbortController().signal),
    ),
  );
const stepsOf = ({ rows }: WatchHistory) => [...new Set(rows.map(({ step }) => step))];

const begin = () => workspace.begin(file, "--fresh", "--device", "cpu");
/** False if the run has already ended. */
async function killed(folder: string): Promise<boolean> {
  try {
    killProcess(folder);
  } catch {
    expect(recordOf(folder).state).toBe("done");
    return false;
  }
  return (await ended(folder)).state === "interrupted";
}
const resume = (folder: string, ...options: string[]) => workspace.lathe("resume", folder, ...options);

async function expectEqual(folder: string): Promise<void> {
  expect(recordOf(folder).state).toBe("done");
  expect(await historyOf(folder)).toEqual(expected.history);
  expect(await histogramsOf(folder)).toEqual(expected.histograms);
  const tensors = tensorsOf(folder);
  expect([...tensors.keys()]).toEqual([...expected.tensors.keys()]);
  for (const [name, bytes] of tensors) expect(bytes.equals(expected.tensors.get(name)!), name).toBe(true);
  expect(leftoversOf(folder)).toEqual([]);
}

/** Waits for something that lasts only milliseconds, or for the end of the run. */
async function moment(folder: string, come: () => boolean): Promise<void> {
  for (;;) {
    for (let look = 0; look < 100; look++) if (come()) return;
    const { record } = await readRun(folder);
    if (record !== undefined && !isActive(record)) return;
    await setTimeout(1);
  }
}

const under = (folder: string, action: string) =>
  moment(folder, () => existsSync(join(folder, "steps", action)));

const draftIn = (folder: string) => {
  const checkpoints = join(folder, "checkpoints");
  return existsSync(checkpoints) && readdirSync(checkpoints).some((name) => name.endsWith(".tmp"));
};

describe("a run whose process is killed", { timeout: 120_000 }, () => {
  it("in the middle of a training shows as interrupted, and ends with the same bytes after resuming", async () => {
    const folder = await begin();
    await pastStep(folder, 33);
    expect(await killed(folder)).toBe(true);
    const { output } = await workspace.lathe("runs");
    expect(output.split("\n").find((line) => line.includes(recordOf(folder).id))).toContain("interrupted");
    expect(await resume(folder)).toMatchObject({ status: 0 });
    await expectEqual(folder);
  });

  it("in each of the following actions resumes from there, and measures nothing twice", async () => {
    const folder = await begin();
    const caught: string[] = [];
    for (const action of ["1-compress", "2-evaluate", "3-train", "4-evaluate", "5-export", "6-report"]) {
      await under(folder, action);
      if (action === "3-train") await pastStep(folder, 63);
      if (!(await killed(folder))) break;
      if (!existsSync(join(folder, "steps", action, "done.json"))) caught.push(action);
      expect(await resume(folder, "--detach")).toMatchObject({ status: 0 });
    }
    await ended(folder);
    await expectEqual(folder);
    // On a busy machine, an action of milliseconds may end before its process is killed.
    expect(caught).toContain("3-train");
    expect(caught.length).toBeGreaterThanOrEqual(3);
  });

  it("between the layers of a method continues with the next one", async () => {
    const name = workspace.write("method.lathe.md", methodCells);
    const undisturbed = await workspace.run(name, "--fresh", "--device", "cpu");
    const folder = await workspace.begin(name, "--fresh", "--device", "cpu");
    const partial = join(folder, "steps", "0-compress", "partial");
    const parts = join(partial, "0-alps");
    await moment(
      folder,
      () => existsSync(parts) && readdirSync(parts).some((name) => name.endsWith(".safetensors")),
    );
    expect(await killed(folder)).toBe(true);
    expect(await resume(folder)).toMatchObject({ status: 0 });
    expect(readFileSync(join(folder, "log.txt"), "utf8")).toMatch(
      /Continues the interrupted attempt: [1-5] of 6 parts are done\./,
    );
    const tensors = tensorsOf(folder);
    for (const [name, bytes] of tensorsOf(undisturbed))
      expect(bytes.equals(tensors.get(name)!), name).toBe(true);
    expect(existsSync(partial)).toBe(false);
    expect(leftoversOf(folder)).toEqual([]);
  });

  it("repeatedly, while it writes a checkpoint and at any other moment, loses nothing", async () => {
    const random = xoroshiro128plus(7);
    const folder = await begin();
    let kills = 0;
    for (; kills < 8; kills++) {
      // As fractions of the duration of the whole run here, so that a fast machine does not end first.
      const patience = (uniformInt(random, 6, 18) / 100) * undisturbed;
      if (kills % 2 === 0) await moment(folder, () => draftIn(folder));
      else await setTimeout(patience);
      await setTimeout(uniformInt(random, 0, 20));
      if (!(await killed(folder))) break;
      await resume(folder, "--detach");
    }
    await ended(folder);
    expect(kills).toBeGreaterThanOrEqual(4);
    await expectEqual(folder);
  });
});
