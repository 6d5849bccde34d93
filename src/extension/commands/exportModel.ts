import path from "node:path";
import * as vscode from "vscode";
import { pickRun } from "../choices/pickRuns";
import { getStoredSubjects } from "../choices/subjects";
import { defineCommand } from "../command";
import { escapeNotification, escapeControls } from "../plainText";
import type { Subject } from "../../protocol/service/models";
import { requireTrust, whenTrusted } from "../trust";
import type { Workbench } from "../workbench";
import { plural, t } from "../l10n";

export default defineCommand({
  title: "Export Model…",
  icon: "$(export)",
  palette: "lathe.hasRuns",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brun\\b.*\\bmeasured\\b/",
      group: "5_export@1",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.models && viewItem =~ /\\bmodel\\b/",
      group: "5_export@1",
    },
  ],
  async run(workbench, ...args) {
    requireTrust(t("Exporting a model"));
    const subject = getStoredSubjects(workbench, args)?.[0] ?? (await pickTrainedModel(workbench, args));
    if (subject === undefined) return;
    const { formats } = await workbench.backend.request("models.formats", {});
    const format = await vscode.window.showQuickPick(
      formats.map(({ id, title }) => ({ label: escapeControls(title), description: id, id })),
      { title: t("Export as") },
    );
    if (format === undefined) return;
    const target = await vscode.window.showSaveDialog({
      title: t("Export as {0}", format.label),
      saveLabel: t("Export Here"),
      defaultUri: vscode.Uri.file(
        path.join(getDefaultTarget(subject), `${getModelName(subject)}-${format.id}`),
      ),
    });
    if (target === undefined) return;
    const { files } = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: t("Exporting the model"), cancellable: true },
      (_, token) => {
        const controller = new AbortController();
        token.onCancellationRequested(() => controller.abort());
        return workbench.backend.request(
          "models.export",
          { subject, format: format.id, to: target.fsPath },
          controller.signal,
        );
      },
    );
    const message = t(
      "Exported the model: {0} in {1}.",
      plural(files.length, "1 file", "{0} files"),
      target.fsPath,
    );
    void vscode.window.showInformationMessage(escapeNotification(message), t("Reveal")).then((action) => {
      if (action === undefined) return;
      const revealCommand = vscode.env.remoteName === undefined ? "revealFileInOS" : "revealInExplorer";
      void vscode.commands.executeCommand(revealCommand, target);
    });
  },
});

async function pickTrainedModel(
  workbench: Workbench,
  args: readonly unknown[],
): Promise<Subject | undefined> {
  const run = await pickRun(workbench, args, {
    title: t("Select a run to export its model"),
    fits: ({ metrics }) => Object.keys(metrics).length > 0,
    none: t("No run has produced a model yet."),
  });
  return run === undefined ? undefined : { kind: "run", run: run.folder };
}

function getDefaultTarget(subject: Subject): string {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  return (
    folder ??
    path.dirname(
      subject.kind === "run" ? subject.run : subject.kind === "path" ? subject.path : subject.experiment,
    )
  );
}

function getModelName(subject: Subject): string {
  if (subject.kind === "run") return path.basename(subject.run);
  return path
    .basename(subject.kind === "path" ? subject.path : subject.experiment)
    .replace(/\.lathe\.md$/, "");
}
