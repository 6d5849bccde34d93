/** What every command, view, panel and the notebook receive: the one way to everything of the extension. */
import type * as vscode from "vscode";
import type { Backend } from "../protocol/backend";
import type { PanelId, PanelInputs } from "../protocol/page";
import type { RunStore } from "./runStore";

export interface Workbench {
  readonly context: vscode.ExtensionContext;
  /** Starts the service on the first request, and again after it died. */
  readonly backend: Backend & {
    /** The service was started anew; subscriptions have to be made again. */
    onRestart(listener: () => void): vscode.Disposable;
  };
  /** The runs of this window as the host last heard of them. */
  readonly runs: RunStore;
  readonly log: vscode.LogOutputChannel;
  openPanel<P extends PanelId>(panel: P, input: PanelInputs[P]): void;
  /** Tells a person what went wrong, with "Show Log"; a cancelled request is silent. */
  report(error: unknown): void;
}
