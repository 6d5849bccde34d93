import * as vscode from "vscode";
import { pickRun } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { t } from "../l10n";

export default defineCommand({
  title: "Copy Run ID",
  palette: "lathe.hasRuns",
  menus: [
    { menu: "view/item/context", when: "view == lathe.runs && viewItem =~ /\\brun\\b/", group: "6_copy@1" },
  ],
  async run(workbench, ...args) {
    const run = await pickRun(workbench, args, {
      title: t("Select a run to copy its ID"),
      none: t("There are no runs yet."),
    });
    if (run !== undefined) await vscode.env.clipboard.writeText(run.id);
  },
});
