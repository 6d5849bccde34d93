import * as vscode from "vscode";
import { defineCommand } from "../command";

export default defineCommand({
  title: "Open Walkthrough",
  icon: "$(book)",
  run: async ({ context }) =>
    vscode.commands.executeCommand(
      "workbench.action.openWalkthrough",
      `${context.extension.id}#start`,
      false,
    ),
});
