/** Faces as rows of VS Code. */
import * as vscode from "vscode";
import type { Face, ProblemNode } from "./face";
import { markdownText, oneLine } from "./text";

/**
 * A click runs the face's command, which finds the node in the tree's selection: VS Code keeps the arguments of a row's
 * command only until the row is redrawn, and an active run is redrawn while the mouse button is down.
 */
export function treeItem(face: Face): vscode.TreeItem {
  const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(
    face.label,
    { none: None, collapsed: Collapsed, expanded: Expanded }[face.children],
  );
  item.contextValue = face.contextValue;
  const { id, color } = face.icon;
  item.iconPath = new vscode.ThemeIcon(id, color === undefined ? undefined : new vscode.ThemeColor(color));
  item.accessibilityInformation = { label: face.spoken };
  if (face.id !== undefined) item.id = face.id;
  if (face.description !== undefined) item.description = face.description;
  if (face.tooltip !== undefined) item.tooltip = untrusted(face.tooltip);
  if (face.click !== undefined) item.command = face.click;
  return item;
}

/** Markdown in which nothing can be run and nothing is HTML or an icon. */
export function untrusted(markdown: string): vscode.MarkdownString {
  const text = new vscode.MarkdownString(markdown, false);
  text.isTrusted = false;
  text.supportHtml = false;
  return text;
}

export function problemItem({ message }: ProblemNode, what: string): vscode.TreeItem {
  const face: Face = {
    label: `Could not list ${what.toLowerCase()}`,
    description: oneLine(message),
    icon: { id: "error", color: "list.errorForeground" },
    tooltip: markdownText(message, 2000),
    contextValue: "problem",
    spoken: `Could not list ${what.toLowerCase()}: ${oneLine(message)}`,
    children: "none",
    click: { command: "lathe.showLog", title: "Show Log" },
  };
  return treeItem(face);
}
