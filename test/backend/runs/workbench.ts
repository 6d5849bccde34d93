/** A separate workspace with the bundled loop process, for tests that start real runs. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll } from "vitest";
import { bundle as bundleProgram } from "../../../scripts/bundle";
import { readRun } from "../../../src/backend/runs/folder/findRuns";
import { followRun } from "../../../src/backend/runs/metrics/followRun";
import { isActive, type RunPlan, type RunRecord, type RunState } from "../../../src/protocol/run";
import type { LoopOptions } from "./loopProgram";

/** Created for each test file, since several may run at a time, and removed after it. */
const bundles = resolve("node_modules/.cache/lathe-tests", String(process.pid));
const temporary = [bundles];
afterAll(() => {
  for (const folder of temporary) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

export async function bundle(entry: string, name: string): Promise<string> {
  const file = `${name}.cjs`;
  await bundleProgram({ source: entry, file }, bundles);
  return join(bundles, file);
}

export const bundleLoop = () => bundle("test/backend/runs/loopProcess.ts", "loopProcess");

/** A folder that is removed after the test file. */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lathe-test-")));
  temporary.push(folder);
  return folder;
}

/** Also moves the device queues into the workspace, so that they are separate from the machine's real runs. */
export function newWorkspace(): string {
  const workspace = temporaryFolder();
  mkdirSync(join(workspace, ".lathe"));
  process.env.LATHE_STATE_DIR = join(workspace, "state");
  return workspace;
}

export function loopPlan(options: Partial<LoopOptions> = {}, name = "loop"): RunPlan {
  const filled: LoopOptions = { steps: 40, milliseconds: 10, saveSteps: 10, ...options };
  return {
    experiment: "loop.lathe.md",
    name,
    folder: ".",
    variant: "base",
    sweep: {},
    seed: 42,
    device: "cpu",
    data: undefined,
    model: undefined,
    baseModel: undefined,
    steps: [{ index: 0, action: "train", options: { ...filled }, key: "loop" }],
  };
}

/** Waits until the run's record satisfies the condition; otherwise, the error message contains the record. */
export async function until(
  folder: string,
  condition: (record: RunRecord) => boolean,
  milliseconds = 45_000,
): Promise<RunRecord> {
  const end = performance.now() + milliseconds;
  for (;;) {
    const { record } = await readRun(folder);
    if (record !== undefined && condition(record)) return record;
    if (performance.now() > end) throw new Error(`Waited in vain: ${JSON.stringify(record)}`);
    await setTimeout(20);
  }
}

export const ended = (folder: string) => until(folder, (record) => !isActive(record));
export const inState = (folder: string, state: RunState) => until(folder, (record) => record.state === state);

/** Reads the history, which is written at every step; the record is only written every second. */
export async function pastStep(folder: string, step: number): Promise<void> {
  for await (const { lines, record } of followRun(folder, { milliseconds: 10 })) {
    if (lines.some((line) => "train/loss" in line && line.step >= step)) return;
    if (!isActive(record)) throw new Error(`Ended before step ${step}: ${JSON.stringify(record.failure)}`);
  }
}
