/** Joins the runs of another machine, one after the other, as `lathe run` does on every machine but the first. */
import { joinRun } from "../backend/engine/torch/joinRun";
import { readScheduler } from "../backend/engine/torch/readScheduler";
import { WorkbenchError } from "../protocol/errors";
import type { RunPlan } from "../protocol/run";
import { isWorker } from "../protocol/scheduler";
import { countProcesses } from "../schema/parallel";
import type { Outcome } from "./command";
import { toPlainLine, type Terminal } from "./terminal";

/** The number of this machine if it joins a run instead of executing it: `--node`, or that of a scheduler. */
export function findJoiningNode(node: number | undefined, plans: readonly RunPlan[]): number | undefined {
  const scheduler = readScheduler();
  const isShared = plans.some(({ parallel }) => countProcesses(parallel) > 1);
  if (node !== undefined) {
    const nodes = plans[0]?.parallel?.nodes ?? 1;
    if (node < nodes && nodes > 1) return node === 0 ? undefined : node;
    throw new WorkbenchError(
      "invalid-input",
      nodes === 1
        ? "--node requires an experiment on several machines. Set parallel.nodes and parallel.rendezvous."
        : `--node is the number of this machine, from 0 to ${nodes - 1}; it is ${node}.`,
    );
  }
  return scheduler !== undefined && isShared && isWorker(scheduler) ? scheduler.node : undefined;
}

export async function joinRuns(
  plans: readonly RunPlan[],
  node: number,
  terminal: Terminal,
): Promise<Outcome> {
  for (const { name, device, parallel } of plans) {
    if (countProcesses(parallel) === 1) continue;
    const { processes, rendezvous = "" } = parallel!;
    terminal.log(
      toPlainLine(
        `Joining ${name} with ${processes} processes of machine ${node}; the run is on machine 0, ${rendezvous}.`,
      ),
    );
    await joinRun({ device, parallel: parallel!, node, scheduler: readScheduler() });
  }
  return {
    document: { joined: plans.map(({ name }) => name), node },
    text: "The runs on machine 0 have ended.",
  };
}
