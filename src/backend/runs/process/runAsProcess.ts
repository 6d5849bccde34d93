/** A run as a process of its own: tells its launcher that it has begun, or why not, and ends with the run's exit status. */
import { toWorkbenchError, type WorkbenchError } from "../../../protocol/errors";
import { executeRun } from "../execution/executeRun";
import { type LaunchMessage, readArguments } from "./launch";
import type { RunProgram } from "../steps/runContext";

/** Tells the launcher, if it is still there, and lets go of it: the run outlives it. */
function tell(message: LaunchMessage): void {
  if (process.send === undefined || !process.connected) return;
  process.send(message, () => {
    if (process.connected) process.disconnect();
  });
}

/** The main function of a run process. Ends the process by itself, since a runtime's threads may keep it open. */
export async function runAsProcess(program: RunProgram): Promise<never> {
  process.on("disconnect", () => undefined);
  const told = { ready: false };
  try {
    const status = await executeRun(program, {
      ...readArguments(process.argv.slice(2)),
      ready: () => {
        told.ready = true;
        tell({ ready: true });
      },
    });
    process.exit(status);
  } catch (thrown) {
    const error: WorkbenchError = toWorkbenchError(thrown);
    process.stderr.write(`${error.code}: ${error.message}\n`);
    if (!told.ready) tell({ ready: false, code: error.code, message: error.message });
    // The message needs a moment to leave; exit codes of signals stay clear of this one.
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.exit(1);
  }
}
