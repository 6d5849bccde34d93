/** Faces as rows of VS Code. */
import * as vscode from "vscode";
import type { NodePresentation, ProblemNode } from "./nodePresentation";
import { escapeMarkdown, toSingleLine } from "./text";
import { t } from "../l10n";

/**
 * A click runs the node's command, which finds the node in the tree's selection: VS Code keeps the arguments of a row's
 * command only until the row is redrawn, and an active run is redrawn while the mouse button is down.
 */
export function createTreeItem(presentation: NodePresentation): vscode.TreeItem {
  const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(
    presentation.label,
    { none: None, collapsed: Collapsed, expanded: Expanded }[presentation.children],
  );
  item.contextValue = presentation.contextValue;
  const { id, color } = presentation.icon;
  item.iconPath = new vscode.ThemeIcon(id, color === undefined ? undefined : new vscode.ThemeColor(color));
  item.accessibilityInformation = { label: presentation.spoken };
  if (presentation.id !== undefined) item.id = presentation.id;
  if (presentation.description !== undefined) item.description = presentation.description;
  if (presentation.tooltip !== undefined) item.tooltip = createUntrustedMarkdown(presentation.tooltip);
  if (presentation.click !== undefined) item.command = presentation.click;
  return item;
}

/** Markdown in which nothing can be run and nothing is HTML or an icon. */
export function createUntrustedMarkdown(markdown: string): vscode.MarkdownString {
  const text = new vscode.MarkdownString(markdown, false);
  text.isTrusted = false;
  text.supportHtml = false;
  return text;
}

export function createProblemItem({ message }: ProblemNode, label: string): vscode.TreeItem {
  const presentation: NodePresentation = {
    label,
    description: toSingleLine(message),
    icon: { id: "error", color: "list.errorForeground" },
    tooltip: escapeMarkdown(message, 2000),
    contextValue: "problem",
    spoken: `${label}: ${toSingleLine(message)}`,
    children: "none",
    click: { command: "lathe.showLog", title: t("Show Log") },
  };
  return createTreeItem(presentation);
}
