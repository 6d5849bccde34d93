/** What a click on a row of the tree of models does. */
import * as vscode from "vscode";
import { defineCommand } from "../command";
import { treesOf } from "../trees";
import type { ModelTreeNode } from "../views/modelTree/modelFace";

export default defineCommand({
  title: "Open Selected Model",
  palette: false,
  async run(workbench) {
    const [node] = (treesOf(workbench).get("models")?.selection ?? []) as readonly ModelTreeNode[];
    if (node?.kind === "model") await vscode.commands.executeCommand("lathe.openWeights", node);
  },
});
