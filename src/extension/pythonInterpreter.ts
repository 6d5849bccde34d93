/**
 * The Python interpreter for devices of PyTorch: that of the setting, and the one that is selected in the Python extension.
 * Neither is started here.
 */
import { isAbsolute, join } from "node:path";
import * as vscode from "vscode";
import type { HostRequests } from "../protocol/backend";
import { getPythonPath } from "./settings";
import { requireTrust } from "./trust";
import { t } from "./l10n";

/** The parts of the Python extension's public API that are used: https://github.com/microsoft/vscode-python/wiki */
interface PythonExtension {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly id: string; readonly path: string };
    resolveEnvironment(environment: {
      readonly id: string;
      readonly path: string;
    }): Promise<{ readonly executable: { readonly uri: vscode.Uri | undefined } } | undefined>;
  };
}

type NamedPython = HostRequests["python.interpreter"]["result"];

export async function findNamedPython(
  { file }: { readonly file?: string },
  warn: (message: string) => void,
): Promise<NamedPython> {
  requireTrust(t("Starting Python"));
  const resource = file === undefined ? vscode.workspace.workspaceFolders?.[0]?.uri : vscode.Uri.file(file);
  const setting = getPythonPath(resource);
  if (setting !== undefined) return { setting: resolveInFolder(setting, resource) };
  try {
    const selected = await findSelectedPython(resource);
    return selected === undefined ? {} : { selected };
  } catch (thrown) {
    warn(`The Python extension did not report its interpreter: ${(thrown as Error).message}`);
    return {};
  }
}

/** A path with a folder in it, such as `.venv/bin/python`, is in the opened folder. */
function resolveInFolder(path: string, resource: vscode.Uri | undefined): string {
  if (isAbsolute(path) || !/[\\/]/.test(path)) return path;
  const folder = resource && vscode.workspace.getWorkspaceFolder(resource);
  return folder === undefined ? path : join(folder.uri.fsPath, path);
}

/** Undefined if the Python extension is not installed or nothing is selected. */
async function findSelectedPython(resource: vscode.Uri | undefined): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension<PythonExtension | undefined>("ms-python.python");
  const environments = (await extension?.activate())?.environments;
  if (environments === undefined) return undefined;
  const environment = await environments.resolveEnvironment(environments.getActiveEnvironmentPath(resource));
  return environment?.executable.uri?.fsPath;
}
