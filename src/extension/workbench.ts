/** What every command, view, panel and the notebook receive: the one way to everything of the extension. */
import type * as vscode from "vscode";
import type { RestartableBackend } from "./backendProcess";
import type { PanelHost } from "./panels/panelHost";
import type { RunLooks } from "./panels/runLooks";
import type { RunStore } from "./runStore";

export interface Workbench {
  readonly context: vscode.ExtensionContext;
  /** Starts the service on the first request, and again after it died. */
  readonly backend: RestartableBackend;
  /** The runs of this window as the host last heard of them. */
  readonly runs: RunStore;
  /** The color and mark of each run, and the baseline: the same in all pages. */
  readonly looks: RunLooks;
  readonly log: vscode.LogOutputChannel;
  readonly openPanel: PanelHost["open"];
  /** Shows an error to the user, with "Show Log"; a cancelled request is silent. */
  readonly report: (error: unknown) => void;
}
