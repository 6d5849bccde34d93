/** What the launcher and the run process say to each other: arguments one way, one message the other way. */
import { parseArgs } from "node:util";
import { toWorkbenchError, type WorkbenchError } from "../../protocol/errors";
import { executeRun } from "./executeRun";
import type { RunProgram } from "./runContext";

export type LaunchMessage =
  { readonly ready: true } | { readonly ready: false; readonly code: string; readonly message: string };

export interface LaunchArguments {
  readonly folder: string;
  readonly resume: boolean;
  readonly parallel: boolean;
  readonly launcher: number;
}

export function writeArguments({ folder, resume, parallel, launcher }: LaunchArguments): string[] {
  return [
    ...(resume ? ["--resume"] : []),
    ...(parallel ? ["--parallel"] : []),
    `--launcher=${launcher}`,
    "--",
    folder,
  ];
}

function readArguments(args: readonly string[]): LaunchArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { resume: { type: "boolean" }, parallel: { type: "boolean" }, launcher: { type: "string" } },
  });
  return {
    folder: positionals[0] ?? "",
    resume: values.resume ?? false,
    parallel: values.parallel ?? false,
    launcher: Number(values.launcher),
  };
}

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
