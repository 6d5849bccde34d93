/** What a click on a row of the tree of models does. */
import * as vscode from "vscode";
import { defineCommand } from "../command";
import { getTrees } from "../trees";
import type { ModelTreeNode } from "../views/modelTree/presentModel";

export default defineCommand({
  title: "Open Selected Model",
  palette: false,
  async run(workbench) {
    const [node] = (getTrees(workbench).get("models")?.selection ?? []) as readonly ModelTreeNode[];
    if (node?.kind === "model") await vscode.commands.executeCommand("lathe.openWeights", node);
  },
});
