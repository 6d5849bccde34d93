/** Alerts of runs as notifications: once each, the ends of an experiment's runs together, never modal. */
import * as vscode from "vscode";
import { isActive } from "../protocol/run";
import { type Notice, RunEnds } from "./runEnds";
import { getAlertSetting } from "./settings";
import { createAlertMemory, isShown } from "./views/runTree/presentAlert";
import type { Workbench } from "./workbench";

export function createNotifications({ backend, runs }: Workbench): vscode.Disposable {
  const memory = createAlertMemory();
  const ends = new RunEnds(runs);
  const active = new Map<string, boolean>();
  const showFinished = () => {
    for (const notice of ends.takeFinished()) void show(notice);
  };
  return vscode.Disposable.from(
    backend.on("alertRaised", (alert) => {
      if (!memory.isNew(alert) || !isShown(alert, getAlertSetting())) return;
      const notice = ends.add(alert);
      if (notice !== undefined) void show(notice);
      showFinished();
    }),
    runs.onDidChange(({ changed, removed }) => {
      for (const run of changed) {
        // A resumed run may come to the same end again, and that is news.
        if (isActive(run) && active.get(run.folder) === false) {
          memory.forget(run.folder);
          ends.forget(run.folder);
        }
        active.set(run.folder, isActive(run));
      }
      for (const folder of removed) {
        memory.forget(folder);
        active.delete(folder);
      }
      showFinished();
    }),
  );
}

async function show({ level, text, actions, runs }: Notice): Promise<void> {
  const showMessage = {
    information: vscode.window.showInformationMessage,
    warning: vscode.window.showWarningMessage,
    error: vscode.window.showErrorMessage,
  }[level];
  const selected = await showMessage(text, ...actions.map(({ title }) => title));
  const action = actions.find(({ title }) => title === selected);
  // The command itself reports its errors.
  if (action !== undefined) await vscode.commands.executeCommand(action.command, runs);
}
