/** Applies an operation to several runs with a progress indicator; the first failure is reported after all have finished. */
import * as vscode from "vscode";
import type { RunSummary } from "../protocol/service/runs";
import { notificationText } from "./plainText";

export async function withRuns(
  runs: readonly RunSummary[],
  doing: string,
  work: (run: RunSummary) => Promise<unknown>,
): Promise<void> {
  if (runs.length === 0) return;
  const what = runs.length === 1 ? runs[0]!.name : `${runs.length} runs`;
  const done = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: notificationText(`${doing} ${what}`) },
    () => Promise.allSettled(runs.map(work)),
  );
  const failed = done.find((each) => each.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
