import * as vscode from "vscode";
import { chosenRun } from "../choices/chosenRuns";
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
    const run = await chosenRun(workbench, args, {
      title: "Rename which run?",
      none: "There is no run yet.",
    });
    if (run === undefined) return;
    const name = await vscode.window.showInputBox({
      title: "Rename Run",
      prompt: "Its folder keeps the name that it has.",
      value: run.name,
      validateInput: (text) => (text.trim() === "" ? "A run needs a name." : undefined),
    });
    if (name !== undefined)
      await workbench.backend.request("runs.annotate", { run: run.folder, notes: { name: name.trim() } });
  },
});
