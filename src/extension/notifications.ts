/** Alerts of runs as notifications: once each, never modal, with what may be done about them. */
import * as vscode from "vscode";
import type { Alert } from "../protocol/service/runs";
import { isActive } from "../protocol/run";
import { getAlertSetting } from "./settings";
import { presentAlert, createAlertMemory, isShown } from "./views/runTree/presentAlert";
import type { Workbench } from "./workbench";

export function createNotifications({ backend, runs }: Workbench): vscode.Disposable {
  const memory = createAlertMemory();
  const active = new Map<string, boolean>();
  return vscode.Disposable.from(
    backend.on("alertRaised", (alert) => {
      if (memory.isNew(alert) && isShown(alert, getAlertSetting())) void notify(alert);
    }),
    runs.onDidChange(({ changed, removed }) => {
      for (const run of changed) {
        // A resumed run may come to the same end again, and that is news.
        if (isActive(run) && active.get(run.folder) === false) memory.forget(run.folder);
        active.set(run.folder, isActive(run));
      }
      for (const folder of removed) {
        memory.forget(folder);
        active.delete(folder);
      }
    }),
  );

  async function notify(alert: Alert): Promise<void> {
    const { level, text, actions } = presentAlert(alert, runs.get(alert.run));
    const show = {
      information: vscode.window.showInformationMessage,
      warning: vscode.window.showWarningMessage,
      error: vscode.window.showErrorMessage,
    }[level];
    const selected = await show(text, ...actions.map(({ title }) => title));
    const action = actions.find(({ title }) => title === selected);
    // The command itself reports its errors.
    if (action !== undefined) await vscode.commands.executeCommand(action.command, [alert.run]);
  }
}
