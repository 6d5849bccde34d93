/** Where VS Code starts the extension: wiring only. Nothing is computed here, and the service starts with its first request. */
import "./useTranslations";
import type * as vscode from "vscode";
import { registerCommands } from "./command";
import { commands } from "./commands/catalog";
import { createWorkbench } from "./createWorkbench";
import { registerNotebook } from "./notebook/notebook";
import { createNotifications } from "./notifications";
import { registerRunLog } from "./runLog";
import { createStatusBar } from "./statusBar";
import { refreshTerminals } from "./terminals";
import { getTrees } from "./trees";
import type { View } from "./view";
import { views } from "./views/catalog";

export function activate(context: vscode.ExtensionContext): void {
  const workbench = createWorkbench(context);
  registerRunLog(workbench);
  registerNotebook(workbench);
  registerCommands(workbench, commands);
  for (const [id, view] of Object.entries<View>(views))
    getTrees(workbench).set(id, view.create(workbench, `lathe.${id}`));
  context.subscriptions.push(...getTrees(workbench).values());
  context.subscriptions.push(createStatusBar(workbench), createNotifications(workbench));
  refreshTerminals(context);
  workbench.runs.load().catch(workbench.report);
}
