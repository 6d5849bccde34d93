import * as vscode from "vscode";
import { pickRun } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { selection } from "../trees";
import { t } from "../l10n";

export default defineCommand({
  title: "Rename Run…",
  palette: "lathe.hasRuns",
  menus: [
    { menu: "view/item/context", when: "view == lathe.runs && viewItem =~ /\\brun\\b/", group: "4_notes@2" },
  ],
  keybinding: { key: "f2", when: "focusedView == lathe.runs", args: selection },
  async run(workbench, ...args) {
    const run = await pickRun(workbench, args, {
      title: t("Select a run to rename"),
      none: t("There are no runs yet."),
    });
    if (run === undefined) return;
    const name = await vscode.window.showInputBox({
      title: t("Rename Run"),
      prompt: t("The name of its folder does not change."),
      value: run.name,
      validateInput: (text) => (text.trim() === "" ? t("Enter a name.") : undefined),
    });
    if (name !== undefined)
      await workbench.backend.request("runs.annotate", { run: run.folder, notes: { name: name.trim() } });
  },
});
