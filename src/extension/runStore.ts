/** The host's copy of the run summaries, kept current by `runsChanged`: what views, badges and context keys read. */
import type * as vscode from "vscode";
import type { RunSummary } from "../protocol/service/runs";

export interface RunStore {
  /** Undefined until the service has answered for the first time. */
  readonly all: readonly RunSummary[] | undefined;
  get(folder: string): RunSummary | undefined;
  /** After every change; at most a few times a second. */
  readonly onDidChange: vscode.Event<{
    readonly changed: readonly RunSummary[];
    readonly removed: readonly string[];
  }>;
}
