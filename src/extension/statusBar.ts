/** What runs, in the status bar; nothing there while nothing does. */
import * as vscode from "vscode";
import { summarizeActiveRuns } from "./views/runTree/activeRuns";
import { createUntrustedMarkdown } from "./views/treeItem";
import type { Workbench } from "./workbench";
import { t } from "./l10n";

export function createStatusBar({ runs }: Workbench): vscode.Disposable {
  const item = vscode.window.createStatusBarItem("lathe.runs", vscode.StatusBarAlignment.Left, 10);
  item.name = t("Lathe Runs");
  item.command = "lathe.runs.focus";
  let lastShown = "";
  const update = () => {
    const active = summarizeActiveRuns(runs.all ?? []);
    const serialized = JSON.stringify(active ?? "");
    // Every change crosses to the window and closes an open tooltip.
    if (serialized === lastShown) return;
    lastShown = serialized;
    if (active === undefined) {
      item.hide();
      return;
    }
    item.text = active.text;
    item.tooltip = createUntrustedMarkdown(active.tooltip);
    item.accessibilityInformation = { label: active.spoken };
    item.show();
  };
  update();
  return vscode.Disposable.from(item, runs.onDidChange(update));
}
