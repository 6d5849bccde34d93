/** Runs an experiment where its curves are drawn: in its notebook, as its own buttons do. */
import * as vscode from "vscode";
import { notebookType } from "./notebook/serializer";

/** Until the cell with this index among the yaml cells, or all of it. False where the file is open as text. */
export async function runInNotebook(experiment: string, cell?: number): Promise<boolean> {
  const uri = vscode.Uri.file(experiment);
  const activeUri = vscode.window.activeTextEditor?.document.uri;
  if (activeUri?.toString() === uri.toString() && vscode.window.activeNotebookEditor === undefined)
    return false;
  const notebook = await vscode.workspace.openNotebookDocument(uri);
  if (notebook.notebookType !== notebookType) return false;
  await vscode.window.showNotebookDocument(notebook);
  if (cell === undefined) {
    await vscode.commands.executeCommand("notebook.execute", uri);
    return true;
  }
  const codeCells = notebook.getCells().filter(({ kind }) => kind === vscode.NotebookCellKind.Code);
  const start = codeCells[cell]?.index;
  if (start === undefined) return false;
  await vscode.commands.executeCommand("notebook.cell.execute", {
    ranges: [{ start, end: start + 1 }],
    document: uri,
  });
  return true;
}
