import * as vscode from "vscode";
import { pickRun } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { t } from "../l10n";

export default defineCommand({
  title: "Reveal Run Folder",
  icon: "$(folder-opened)",
  palette: "lathe.hasRuns",
  menus: [
    { menu: "view/item/context", when: "view == lathe.runs && viewItem =~ /\\brun\\b/", group: "6_copy@2" },
  ],
  async run(workbench, ...args) {
    const run = await pickRun(workbench, args, {
      title: t("Select a run to reveal its folder"),
      none: t("There are no runs yet."),
    });
    if (run === undefined) return;
    // The file manager of this machine knows nothing of another one's folders.
    const command = vscode.env.remoteName === undefined ? "revealFileInOS" : "revealInExplorer";
    await vscode.commands.executeCommand(command, vscode.Uri.file(run.folder));
  },
});
