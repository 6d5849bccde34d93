/**
 * Executes a run in its own process: reports to the launcher that it has begun, or why it failed, and exits with the
 * run's status.
 */
import { toWorkbenchError, type WorkbenchError } from "../../../protocol/errors";
import { executeRun } from "../execution/executeRun";
import { advanceAfter } from "../halving/advance";
import { type LaunchMessage, readArguments } from "./launch";
import type { RunProgram } from "../steps/runContext";

/** Sends a message to the launcher, if it still exists, and disconnects: the run outlives it. */
function sendToLauncher(message: LaunchMessage): void {
  if (process.send === undefined || !process.connected) return;
  process.send(message, () => {
    if (process.connected) process.disconnect();
  });
}

/** The main function of a run process. Exits explicitly, since a runtime's threads may keep the process open. */
export async function runAsProcess(program: RunProgram): Promise<never> {
  process.on("disconnect", () => undefined);
  const progress = { ready: false };
  try {
    const launched = readArguments(process.argv.slice(2));
    const status = await executeRun(program, {
      ...launched,
      ready: () => {
        progress.ready = true;
        sendToLauncher({ ready: true });
      },
    });
    if (launched.advance) await advanceAfter(launched.folder, { script: process.argv[1]! });
    process.exit(status);
  } catch (thrown) {
    const error: WorkbenchError = toWorkbenchError(thrown);
    process.stderr.write(`${error.code}: ${error.message}\n`);
    if (!progress.ready) sendToLauncher({ ready: false, code: error.code, message: error.message });
    // Give the message a moment to be sent; exit codes of signals differ from this one.
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.exit(1);
  }
}
