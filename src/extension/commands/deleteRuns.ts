import * as vscode from "vscode";
import { isActive } from "../../protocol/run";
import { pickRuns } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { selection } from "../trees";
import { escapeNotification } from "../plainText";
import { requireTrust, whenTrusted } from "../trust";

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
    requireTrust("Moving runs");
    const runs = await pickRuns(workbench, args, {
      title: "Select runs to move to the trash",
      fits: (run) => !isActive(run),
      none: "Only runs that have ended can be moved to the trash. Stop the run first.",
    });
    if (runs.length === 0) return;
    const folders = runs.map(({ folder }) => folder);
    const { trashed } = await workbench.backend.request("runs.trash", { runs: folders });
    const subject = runs.length === 1 ? runs[0]!.name : `${runs.length} runs`;
    // Not awaited: the caller does not have to wait for the user's answer.
    void vscode.window
      .showInformationMessage(escapeNotification(`Moved ${subject} to .lathe/trash.`), "Undo")
      .then((action) => {
        if (action !== undefined)
          workbench.backend.request("runs.restore", { trashed }).catch(workbench.report);
      });
  },
});
