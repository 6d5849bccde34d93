import * as vscode from "vscode";
import { chosenRuns } from "../choices/chosenRuns";
import { defineCommand } from "../command";

export default defineCommand({
  title: "Tag Run…",
  icon: "$(tag)",
  palette: "lathe.hasRuns",
  menus: [
    { menu: "view/item/context", when: "view == lathe.runs && viewItem =~ /\\brun\\b/", group: "4_notes@3" },
  ],
  async run(workbench, ...args) {
    const runs = await chosenRuns(workbench, args, {
      title: "Tag which runs?",
      none: "There is no run yet.",
    });
    if (runs.length === 0) return;
    const text = await vscode.window.showInputBox({
      title: runs.length === 1 ? "Tags of the Run" : `Tags of ${runs.length} Runs`,
      prompt: "Separated by commas. They replace the tags that are there.",
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
