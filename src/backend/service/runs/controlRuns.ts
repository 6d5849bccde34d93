/** Stops, pauses, continues and checkpoints an executing run, and moves it in the queue. */
import { setTimeout } from "node:timers/promises";
import { WorkbenchError } from "../../../protocol/errors";
import { type ControlRequest, isActive } from "../../../protocol/run";
import type { RunSummary } from "../../../protocol/service/runs";
import { controlRun } from "../../runs/control/controlClient";
import { DeviceQueue } from "../../runs/process/deviceQueue";
import { requestStop } from "../../runs/process/stopRun";
import type { RunIndex } from "./runIndex";

const pollMilliseconds = 100;

/**
 * Waits for the end of the run, which follows its present step and checkpoint. The request stays in effect if the
 * caller stops waiting.
 */
export async function stopRun(runs: RunIndex, run: string, signal: AbortSignal): Promise<RunSummary> {
  await requestStop(runs.find(run).summary.folder);
  return waitForChange(runs, run, isActive, signal);
}

export async function sendRunCommand(
  runs: RunIndex,
  run: string,
  command: Exclude<ControlRequest["command"], "stop" | "status">,
): Promise<RunSummary> {
  await controlRun(runs.find(run).summary.folder, { command });
  return runs.refresh(run);
}

export async function requeue(runs: RunIndex, run: string, to: "first" | "last"): Promise<RunSummary> {
  const { folder, id, state } = runs.find(run).summary;
  for (const queue of DeviceQueue.all()) {
    const entry = (await queue.entries()).find((each) => each.folder === folder);
    if (entry === undefined) continue;
    await queue.move(entry.id, to);
    return runs.refresh(run);
  }
  throw new WorkbenchError(
    "invalid-input",
    `${id} is ${state} and not in a device queue, so it can't be moved.`,
  );
}

async function waitForChange(
  runs: RunIndex,
  run: string,
  is: (summary: RunSummary) => boolean,
  signal: AbortSignal,
): Promise<RunSummary> {
  for (;;) {
    signal.throwIfAborted();
    const summary = await runs.refresh(run);
    if (!is(summary)) return summary;
    await setTimeout(pollMilliseconds, undefined, { signal });
  }
}
