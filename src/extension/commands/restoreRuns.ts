import path from "node:path";
import * as vscode from "vscode";
import { WorkbenchError } from "../../protocol/errors";
import { formatDateTime } from "../../protocol/quantities";
import type { RunSummary } from "../../protocol/service/runs";
import { defineCommand } from "../command";
import { plural, t } from "../l10n";
import { escapeNotification } from "../plainText";
import { requireTrust, whenTrusted } from "../trust";
import { escapeLinks, getExperimentTitle, toSingleLine } from "../views/text";

export default defineCommand({
  title: "Restore from Trash…",
  icon: "$(discard)",
  enablement: whenTrusted,
  menus: [{ menu: "view/title", when: "view == lathe.runs", group: "9_trash@1" }],
  async run(workbench) {
    requireTrust(t("Restoring runs"));
    const { runs } = await workbench.backend.request("runs.trashed", {});
    if (runs.length === 0)
      throw new WorkbenchError(
        "not-found",
        t("The trash is empty. Runs that you move there are kept in .lathe/trash."),
      );
    const picked = await vscode.window.showQuickPick(runs.map(createItem), {
      title: t("Select runs to restore"),
      placeHolder: t("Name, experiment or state"),
      canPickMany: true,
      matchOnDescription: true,
      matchOnDetail: true,
    });
    if (picked === undefined || picked.length === 0) return;
    await workbench.backend.request("runs.restore", { trashed: picked.map(({ run }) => run.folder) });
    const subject = picked.length === 1 ? picked[0]!.run.name : plural(picked.length, "1 run", "{0} runs");
    void vscode.window.showInformationMessage(escapeNotification(t("Restored {0}.", subject)));
  },
});

function createItem(run: RunSummary): vscode.QuickPickItem & { readonly run: RunSummary } {
  const experiment = run.experiment === undefined ? "" : getExperimentTitle(run.experiment);
  const facts = [run.state, experiment, run.createdAt === "" ? "" : formatDateTime(run.createdAt)];
  return {
    label: escapeLinks(toSingleLine(run.name)),
    description: escapeLinks(toSingleLine(facts.filter(Boolean).join(" · "))),
    detail: escapeLinks(toSingleLine(path.basename(run.folder))),
    run,
  };
}
