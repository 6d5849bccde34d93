/** Makes `lathe` available in the integrated terminals, through the environment that VS Code gives them. */
import * as vscode from "vscode";
import { t } from "./l10n";
import { getNodePath } from "./settings";
import { getPathPrefix, writePrograms } from "./terminalPrograms";

const key = "lathe.inTerminals";

function getProgramFolder(context: vscode.ExtensionContext): string {
  return vscode.Uri.joinPath(context.globalStorageUri, "bin").fsPath;
}

/** The folder of the programs, written for this version of the extension. */
export function prepareTerminalPrograms(context: vscode.ExtensionContext): string {
  const folder = getProgramFolder(context);
  writePrograms(folder, { node: getNodePath(), script: context.asAbsolutePath("dist/lathe.cjs") });
  return folder;
}

export function isInTerminals(context: vscode.ExtensionContext): boolean {
  return context.globalState.get(key) === true;
}

export async function addToTerminals(context: vscode.ExtensionContext): Promise<void> {
  const folder = prepareTerminalPrograms(context);
  const { environmentVariableCollection: environment } = context;
  environment.description = t("Adds the command `lathe`.");
  // Also after a login shell has set its own path.
  const options = { applyAtProcessCreation: true, applyAtShellIntegration: true };
  environment.prepend("PATH", getPathPrefix(folder), options);
  await context.globalState.update(key, true);
}

export async function removeFromTerminals(context: vscode.ExtensionContext): Promise<void> {
  context.environmentVariableCollection.delete("PATH");
  await context.globalState.update(key, undefined);
}

/** After an update of the extension, its command line is in another folder. */
export function refreshTerminals(context: vscode.ExtensionContext): void {
  if (isInTerminals(context)) void addToTerminals(context);
}
