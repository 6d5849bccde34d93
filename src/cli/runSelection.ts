/** How a command line names a run, and where runs are looked for. */
import { resolve } from "node:path";
import { findRun } from "../backend/runs/folder/findRuns";
import { getWorkspaceRunsFolder, findWorkspaceAround } from "../backend/runs/folder/runLocation";
import { WorkbenchError, type ErrorCode } from "../protocol/errors";
import type { RunRecord } from "../protocol/run";
import { toPlainLine } from "./terminal";
import type { ArgumentSpec, OptionSpec } from "./command";

export const runArgument: ArgumentSpec = [
  "<run>",
  "run id, its beginning or its end, a run folder, or `last`",
];

export interface RunsOption {
  readonly out?: string;
}

export const runsOption: OptionSpec = [
  "--out <dir>",
  "folder of the runs; default: .lathe/runs of the workspace",
];

export function getRunsFolder({ out }: RunsOption): string {
  return out === undefined ? getWorkspaceRunsFolder(findWorkspaceAround(process.cwd())) : resolve(out);
}

export interface SelectedRun {
  readonly id: string;
  readonly folder: string;
  readonly record: RunRecord;
}

/** A run whose record can be read. */
export async function selectRun(text: string, options: RunsOption): Promise<SelectedRun> {
  const run = await findRun(text, getRunsFolder(options));
  if (run.record === undefined) throw new WorkbenchError(run.failure.code as ErrorCode, run.failure.message);
  // The record is untrusted input, and the id is shown in messages.
  return { id: toPlainLine(run.id), folder: run.folder, record: run.record };
}
