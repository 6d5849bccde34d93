/** Stop, pause, continue, checkpoint and the place in the queue of a run that is going. */
import { setTimeout } from "node:timers/promises";
import { WorkbenchError } from "../../../protocol/errors";
import { type ControlRequest, isActive } from "../../../protocol/run";
import type { RunSummary } from "../../../protocol/service/runs";
import { controlRun } from "../../runs/control/controlClient";
import { DeviceQueue } from "../../runs/process/deviceQueue";
import { requestStop } from "../../runs/process/stopRun";
import type { RunIndex } from "./runIndex";

const pollMilliseconds = 100;

/** Waits for the end, which comes after the present step and its checkpoint; the wish holds when nobody waits. */
export async function stopRun(runs: RunIndex, run: string, signal: AbortSignal): Promise<RunSummary> {
  await requestStop(runs.find(run).summary.folder);
  return untilOther(runs, run, isActive, signal);
}

export async function controlledRun(
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
    `${id} is ${state} and waits for no device, so it can't be moved in a queue.`,
  );
}

async function untilOther(
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
