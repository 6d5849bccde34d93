/** The trees of the side panel by name, for commands that mean what is selected there. */
import type * as vscode from "vscode";
import { memoizeByWorkbench } from "./views/memoizeByWorkbench";

export const getTrees = memoizeByWorkbench(() => new Map<string, vscode.TreeView<unknown>>());

/** What a key hands to its command in place of the tree's nodes, which VS Code does not. */
export const selection = "selection";
