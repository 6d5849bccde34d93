import * as vscode from "vscode";
import { pickRun } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { selection } from "../trees";

export default defineCommand({
  title: "Rename Run…",
  palette: "lathe.hasRuns",
  menus: [
    { menu: "view/item/context", when: "view == lathe.runs && viewItem =~ /\\brun\\b/", group: "4_notes@2" },
  ],
  keybinding: { key: "f2", when: "focusedView == lathe.runs", args: selection },
  async run(workbench, ...args) {
    const run = await pickRun(workbench, args, {
      title: "Select a run to rename",
      none: "There are no runs yet.",
    });
    if (run === undefined) return;
    const name = await vscode.window.showInputBox({
      title: "Rename Run",
      prompt: "The name of its folder does not change.",
      value: run.name,
      validateInput: (text) => (text.trim() === "" ? "Enter a name." : undefined),
    });
    if (name !== undefined)
      await workbench.backend.request("runs.annotate", { run: run.folder, notes: { name: name.trim() } });
  },
});
