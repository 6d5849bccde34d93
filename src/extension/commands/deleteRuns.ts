import * as vscode from "vscode";
import { isActive } from "../../protocol/run";
import { pickRuns } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { confirm } from "../confirm";
import { selection } from "../trees";
import { escapeNotification } from "../plainText";
import { requireTrust, whenTrusted } from "../trust";
import { plural, t } from "../l10n";

export default defineCommand({
  title: "Move Runs to Trash",
  icon: "$(trash)",
  palette: "lathe.hasRuns",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\bended\\b|\\bunreadable\\b/",
      group: "9_delete@1",
    },
  ],
  keybinding: { key: "delete", mac: "cmd+backspace", when: "focusedView == lathe.runs", args: selection },
  async run(workbench, ...args) {
    requireTrust(t("Moving runs"));
    const runs = await pickRuns(workbench, args, {
      title: t("Select runs to move to the trash"),
      fits: (run) => !isActive(run),
      none: t("Only runs that have ended can be moved to the trash. Stop the run first."),
    });
    if (runs.length === 0 || !(await confirm("trash", runs))) return;
    const folders = runs.map(({ folder }) => folder);
    const { trashed } = await workbench.backend.request("runs.trash", { runs: folders });
    const subject = runs.length === 1 ? runs[0]!.name : plural(runs.length, "1 run", "{0} runs");
    // Not awaited: the caller does not have to wait for the user's answer.
    void vscode.window
      .showInformationMessage(escapeNotification(t("Moved {0} to .lathe/trash.", subject)), t("Undo"))
      .then((action) => {
        if (action !== undefined)
          workbench.backend.request("runs.restore", { trashed }).catch(workbench.report);
      });
  },
});
