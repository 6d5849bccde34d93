/** Stops a run from outside: by a request, or by a signal if it can't be reached, which has the same effect. */
import { WorkbenchError } from "../../../protocol/errors";
import { isActive } from "../../../protocol/run";
import { controlRun } from "../control/controlClient";
import { readRun } from "../folder/findRuns";
import { checkLiveness, type ProcessIdentity } from "./processIdentity";

async function findProcess(folder: string): Promise<ProcessIdentity> {
  const run = await readRun(folder);
  const runs = run.record?.process;
  if (runs === undefined || run.record === undefined || !isActive(run.record)) {
    throw new WorkbenchError(
      "invalid-input",
      `${run.id} is ${run.record?.state ?? "unreadable"}, so there is nothing to stop.`,
    );
  }
  // The number alone could belong to another process by now, or from the start in a folder from another machine.
  if (runs.startedAt === "")
    throw new WorkbenchError(
      "busy",
      `Process ${runs.pid} may not be that of ${run.id}. If it is, end it yourself.`,
    );
  if ((await checkLiveness(runs)) === "alive") return runs;
  throw new WorkbenchError("busy", `The process of ${run.id} is on ${runs.host}. Stop it there.`);
}

export async function requestStop(folder: string): Promise<void> {
  try {
    await controlRun(folder, { command: "stop" });
  } catch (thrown) {
    const unreachable = thrown instanceof WorkbenchError && thrown.code === "busy";
    // On Windows a signal would end the process at once, without a checkpoint.
    if (!unreachable || process.platform === "win32") throw thrown;
    process.kill((await findProcess(folder)).pid, "SIGTERM");
  }
}

/** Kills without a checkpoint: the run is shown as interrupted and resumes from its last one. */
export async function killRun(folder: string): Promise<void> {
  process.kill((await findProcess(folder)).pid, "SIGKILL");
}
