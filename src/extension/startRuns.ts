/** Starts runs of an experiment outside its notebook, and shows where to watch them. */
import * as vscode from "vscode";
import type { RunSummary, StartRuns } from "../protocol/service/runs";
import { escapeNotification } from "./plainText";
import { areRunsBesideExperiment, getDefaultDevice } from "./settings";
import { requireTrust } from "./trust";
import type { Workbench } from "./workbench";
import { t } from "./l10n";

export async function startRuns(workbench: Workbench, request: StartRuns): Promise<readonly RunSummary[]> {
  requireTrust(t("Training"));
  const uri = vscode.Uri.file(request.experiment);
  const device = request.device ?? getDefaultDevice(uri);
  // The service reads the file.
  await vscode.workspace.textDocuments.find((each) => each.uri.toString() === uri.toString())?.save();
  const { runs } = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: t("Lathe: starting") },
    () =>
      workbench.backend.request("runs.start", {
        ...request,
        ...(device === undefined ? {} : { device }),
        ...(areRunsBesideExperiment(uri) ? { beside: true } : {}),
      }),
  );
  const names = runs.map(({ name }) => name).join(", ");
  const message =
    runs.length === 1
      ? t("A run was started: {0}.", names.slice(0, 200))
      : t("{0} runs were started: {1}.", runs.length, names.slice(0, 200));
  void vscode.window.showInformationMessage(escapeNotification(message), t("Open Charts")).then((action) => {
    if (action !== undefined) workbench.openPanel("charts", { runs: runs.map(({ folder }) => folder) });
  });
  return runs;
}
