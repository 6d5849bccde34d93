/** The trees of the side panel by name, for commands that mean what is selected there. */
import type * as vscode from "vscode";
import { onePerWorkbench } from "./views/onePerWorkbench";

export const treesOf = onePerWorkbench(() => new Map<string, vscode.TreeView<unknown>>());

/** What a key hands to its command in place of the tree's nodes, which VS Code does not. */
export const selection = "selection";
