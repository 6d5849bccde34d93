/** Creates the workbench: the service, the runs, the panels and the notifications. */
import * as vscode from "vscode";
import { toWorkbenchError } from "../protocol/errors";
import { BackendProcess } from "./backendProcess";
import { getOpenedFolders, findOpenedWorkspace, watchWorkspace } from "./openedWorkspace";
import { createPanelHost } from "./panels/panelHost";
import { RunLooks } from "./panels/runLooks";
import { escapeNotification, escapeControls } from "./plainText";
import { findNamedPython } from "./pythonInterpreter";
import { createRunStore } from "./runStore";
import { getNodePath, getChartSettings, onChartSettingsChange } from "./settings";
import type { Workbench } from "./workbench";
import { t } from "./l10n";

export function createWorkbench(context: vscode.ExtensionContext): Workbench {
  const log = vscode.window.createOutputChannel("Lathe", { log: true });
  const write = (level: "info" | "warning" | "error", message: string): void => {
    const line = escapeControls(message);
    if (level === "error") log.error(line);
    else if (level === "warning") log.warn(line);
    else log.info(line);
  };

  const backend = new BackendProcess({
    program: context.asAbsolutePath("dist/backend.cjs"),
    executable: getNodePath,
    folders: getOpenedFolders,
    workspace: findOpenedWorkspace,
    host: {
      "python.interpreter": (params) => findNamedPython(params, (message) => write("warning", message)),
    },
    log: write,
    onCrash: (error, givenUp) => {
      write("error", error.message);
      const showMessage = givenUp ? vscode.window.showErrorMessage : vscode.window.showWarningMessage;
      const actions = givenUp ? [t("Show Log"), t("Try Again")] : [t("Show Log")];
      void showMessage(escapeNotification(error.message), ...actions).then((action) => {
        if (action === "Show Log") log.show();
        if (action === "Try Again") backend.restart().catch(report);
      });
    },
  });
  /** Errors that were shown already: one crash rejects every pending request. */
  const report = (thrown: unknown): void => {
    const error = toWorkbenchError(thrown);
    if (error.code === "cancelled") return;
    write("error", error.code === "internal" ? (error.stack ?? error.message) : error.message);
    if (error.details["crash"] === true) return;
    void vscode.window.showErrorMessage(escapeNotification(error.message), t("Show Log")).then((action) => {
      if (action !== undefined) log.show();
    });
  };
  const runs = createRunStore(backend);
  const looks = new RunLooks(context.workspaceState, () => runs.load(), getChartSettings);
  const panels = createPanelHost({ context, backend, runs, looks, log: write });

  context.subscriptions.push(log, backend, runs, panels);
  context.subscriptions.push(onChartSettingsChange(() => looks.notify()));
  context.subscriptions.push(watchWorkspace(() => void backend.reopen().catch(report)));
  return { context, backend, runs, looks, log, openPanel: panels.open, report };
}
