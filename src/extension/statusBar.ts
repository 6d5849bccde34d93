/** What runs, in the status bar; nothing there while nothing does. */
import * as vscode from "vscode";
import { activeRuns } from "./views/runTree/activeRuns";
import { untrusted } from "./views/treeItem";
import type { Workbench } from "./workbench";

export function createStatusBar({ runs }: Workbench): vscode.Disposable {
  const item = vscode.window.createStatusBarItem("lathe.runs", vscode.StatusBarAlignment.Left, 10);
  item.name = "Lathe Runs";
  item.command = "lathe.runs.focus";
  let shown = "";
  const show = () => {
    const active = activeRuns(runs.all ?? []);
    const next = JSON.stringify(active ?? "");
    // Every change crosses to the window and closes an open tooltip.
    if (next === shown) return;
    shown = next;
    if (active === undefined) {
      item.hide();
      return;
    }
    item.text = active.text;
    item.tooltip = untrusted(active.tooltip);
    item.accessibilityInformation = { label: active.spoken };
    item.show();
  };
  show();
  return vscode.Disposable.from(item, runs.onDidChange(show));
}
