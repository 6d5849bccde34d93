import * as vscode from "vscode";
import { pickRuns } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { t } from "../l10n";

export default defineCommand({
  title: "Tag Run…",
  icon: "$(tag)",
  palette: "lathe.hasRuns",
  menus: [
    { menu: "view/item/context", when: "view == lathe.runs && viewItem =~ /\\brun\\b/", group: "4_notes@3" },
  ],
  async run(workbench, ...args) {
    const runs = await pickRuns(workbench, args, {
      title: t("Select runs to tag"),
      none: t("There are no runs yet."),
    });
    if (runs.length === 0) return;
    const text = await vscode.window.showInputBox({
      title: runs.length === 1 ? t("Run Tags") : t("Tags of {0} Runs", runs.length),
      prompt: t("Separate tags with commas. They replace the existing tags."),
      value: [...new Set(runs.flatMap(({ tags }) => tags))].join(", "),
    });
    if (text === undefined) return;
    const tags = [
      ...new Set(
        text
          .split(",")
          .map((tag) => tag.trim())
          .filter((tag) => tag !== ""),
      ),
    ];
    for (const { folder } of runs)
      await workbench.backend.request("runs.annotate", { run: folder, notes: { tags } });
  },
});
