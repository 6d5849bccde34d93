/** An experiment as it is in the editor, saved or not: a notebook, or the text view of the same file. */
import path from "node:path";
import * as vscode from "vscode";
import type { ExperimentText } from "../../protocol/service/experiments";
import { composeNotebook } from "./cellText";
import { type DocumentPosition, type DocumentRange, DocumentText } from "./documentText";
import { createCellText, getNotebookFrame, notebookType } from "./serializer";

export interface ExperimentSource {
  /** What it was made from: two of them may show the same file. */
  readonly opened: vscode.NotebookDocument | vscode.TextDocument;
  /** By the cell index that `DocumentText` speaks of. */
  readonly documents: readonly vscode.TextDocument[];
  readonly whole: DocumentText;
  /** What the service is asked about. */
  readonly experiment: ExperimentText;
}

/** Cells of a notebook and the text view alike. */
export const experimentSelector: vscode.DocumentSelector = [
  { notebookType, language: "yaml" },
  { language: "markdown", scheme: "file", pattern: "**/*.lathe.md" },
];

export function isExperimentNotebook(notebook: vscode.NotebookDocument): boolean {
  // Other schemes are older versions of a file, shown for comparison.
  return notebook.notebookType === notebookType && ["file", "untitled"].includes(notebook.uri.scheme);
}

/** A tab shows it: VS Code keeps documents open also for searches and extensions. */
export function isExperimentText(document: vscode.TextDocument): boolean {
  if (document.uri.scheme !== "file" || !document.uri.path.endsWith(".lathe.md")) return false;
  const uri = document.uri.toString();
  return vscode.window.tabGroups.all.some(({ tabs }) =>
    tabs.some(({ input }) => input instanceof vscode.TabInputText && input.uri.toString() === uri),
  );
}

export function createNotebookSource(notebook: vscode.NotebookDocument): ExperimentSource {
  const cells = notebook.getCells();
  const documentText = new DocumentText(
    composeNotebook({
      cells: cells.map(({ kind, document, metadata }) =>
        createCellText({ kind, languageId: document.languageId, metadata }, document.getText()),
      ),
      frame: getNotebookFrame(notebook.metadata),
    }),
  );
  return {
    opened: notebook,
    documents: cells.map(({ document }) => document),
    whole: documentText,
    experiment: { file: getFilePath(notebook.uri), text: documentText.text },
  };
}

export function createTextSource(document: vscode.TextDocument): ExperimentSource {
  const text = document.getText();
  return {
    opened: document,
    documents: [document],
    whole: DocumentText.fromText(text),
    experiment: { file: getFilePath(document.uri), text },
  };
}

export function findNotebook(document: vscode.TextDocument): vscode.NotebookDocument | undefined {
  return vscode.workspace.notebookDocuments.find(
    (notebook) =>
      isExperimentNotebook(notebook) && notebook.getCells().some((cell) => cell.document === document),
  );
}

/** Of a cell or of a text; undefined if it is not an experiment that can run. */
export function getExperimentSource(document: vscode.TextDocument): ExperimentSource | undefined {
  const notebook = findNotebook(document);
  if (notebook !== undefined) return createNotebookSource(notebook);
  return document.uri.scheme === "file" ? createTextSource(document) : undefined;
}

export function getOffset(
  source: ExperimentSource,
  document: vscode.TextDocument,
  position: DocumentPosition,
): number | undefined {
  return source.whole.offsetAt(source.documents.indexOf(document), position);
}

export function toRange({ start, end }: DocumentRange): vscode.Range {
  return new vscode.Range(start.line, start.character, end.line, end.character);
}

/** A new notebook is nowhere yet: its relative paths start in the workspace. */
function getFilePath(uri: vscode.Uri): string {
  if (uri.scheme === "file") return uri.fsPath;
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? path.resolve("/");
  return path.join(folder, path.basename(uri.path));
}
