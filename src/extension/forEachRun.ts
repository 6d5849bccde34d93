/** Applies an operation to several runs with a progress indicator; the first failure is reported after all have finished. */
import * as vscode from "vscode";
import type { RunSummary } from "../protocol/service/runs";
import { escapeNotification } from "./plainText";
import { plural } from "./l10n";

export async function forEachRun(
  runs: readonly RunSummary[],
  activity: string,
  work: (run: RunSummary) => Promise<unknown>,
): Promise<void> {
  if (runs.length === 0) return;
  const subject = runs.length === 1 ? runs[0]!.name : plural(runs.length, "1 run", "{0} runs");
  const outcomes = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: escapeNotification(`${activity} ${subject}`) },
    () => Promise.allSettled(runs.map(work)),
  );
  const failure = outcomes.find((each) => each.status === "rejected");
  if (failure !== undefined) throw failure.reason;
}
