/** What a person may set, read in one place and under one name each. `scripts/staticManifest.ts` describes them. */
import * as vscode from "vscode";
import type { SharedLook } from "../protocol/page";

const section = "lathe";

/** The Node executable of the children; VS Code's own unless the setting names another. */
export function getNodePath(): string {
  const configured = vscode.workspace.getConfiguration(section).get<string>("nodePath", "").trim();
  return configured === "" ? process.execPath : configured;
}

/** The Python interpreter of devices of PyTorch; undefined if the setting names none. Ignored without trust. */
export function getPythonPath(resource: vscode.Uri | undefined): string | undefined {
  const configured = vscode.workspace
    .getConfiguration(section, resource ?? null)
    .get<string>("pythonPath", "")
    .trim();
  return configured === "" ? undefined : configured;
}

/** The device that every run uses instead of its experiment's; undefined if the experiment decides. */
export function getDefaultDevice(experiment?: vscode.Uri): string | undefined {
  const configured = vscode.workspace.getConfiguration(section, experiment ?? null).get<string>("device", "");
  return configured === "" ? undefined : configured;
}

export async function setDefaultDevice(device: string | undefined): Promise<void> {
  const target =
    vscode.workspace.workspaceFolders === undefined
      ? vscode.ConfigurationTarget.Global
      : vscode.ConfigurationTarget.Workspace;
  await vscode.workspace.getConfiguration(section).update("device", device, target);
}

/** Whether runs are stored beside their experiment instead of at the top of its project. */
export function areRunsBesideExperiment(experiment: vscode.Uri): boolean {
  const configured = vscode.workspace.getConfiguration(section, experiment).get<string>("runs.location");
  return configured === "experiment";
}

/** Whether a person wants to be asked before runs are stopped or moved to the trash. */
export function needsConfirmation(action: "stop" | "trash"): boolean {
  const configured = vscode.workspace.getConfiguration(section).get<string>("confirmations", "none");
  return configured === "all" || configured === action;
}

/** How charts look before a person changes them; a value that the settings do not allow is left out. */
export function getChartSettings(): Pick<SharedLook, "smoothing" | "palette" | "colors"> {
  const charts = vscode.workspace.getConfiguration(`${section}.charts`);
  const [smoothing, palette, colors] = [
    charts.get<unknown>("smoothing"),
    charts.get<unknown>("palette"),
    charts.get<unknown>("colors"),
  ];
  return {
    ...(typeof smoothing === "number" && smoothing >= 0 && smoothing <= 1 ? { smoothing } : {}),
    ...(typeof palette === "string" ? { palette } : {}),
    ...(Array.isArray(colors)
      ? { colors: colors.filter((color): color is string => typeof color === "string").slice(0, 64) }
      : {}),
  };
}

export function onChartSettingsChange(listener: () => void): vscode.Disposable {
  return vscode.workspace.onDidChangeConfiguration((event) => {
    if (event.affectsConfiguration(`${section}.charts`)) listener();
  });
}

/** Which alerts of runs become notifications. */
export function getAlertSetting(): "all" | "problems" | "none" {
  return vscode.workspace.getConfiguration(section).get<"all" | "problems" | "none">("alerts", "all");
}
