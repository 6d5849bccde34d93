/** What a click on a row of the tree of experiments does: the file opens at the cell, at the line, or at its beginning. */
import * as vscode from "vscode";
import { splitCells } from "../../protocol/cells";
import { defineCommand, type HasExperiment } from "../command";
import { getTrees } from "../trees";

export default defineCommand({
  title: "Open Selected Cell",
  palette: false,
  async run(workbench) {
    const [node] = getTrees(workbench).get("experiments")?.selection ?? [];
    const { experiment, line, ...place } = (node ?? {}) as Partial<HasExperiment & { line: number }>;
    if (experiment === undefined) return undefined;
    const uri = vscode.Uri.file(experiment);
    const cell = place.cell ?? (line === undefined ? undefined : await findCellIndex(uri, line));
    let notebook: vscode.NotebookDocument;
    try {
      notebook = await vscode.workspace.openNotebookDocument(uri);
    } catch {
      // A file that is not a valid notebook opens with the reason in its place; as text it can be fixed.
      return vscode.commands.executeCommand("vscode.open", uri);
    }
    const codeCells = notebook.getCells().filter(({ kind }) => kind === vscode.NotebookCellKind.Code);
    const index = cell === undefined ? undefined : codeCells[cell]?.index;
    if (index === undefined) {
      await vscode.window.showNotebookDocument(notebook, { preview: true });
      return undefined;
    }
    const range = new vscode.NotebookRange(index, index + 1);
    // An empty list of selections would fail: VS Code reads its first element while it opens the file.
    const editor = await vscode.window.showNotebookDocument(notebook, { selections: [range], preview: true });
    editor.revealRange(range, vscode.NotebookEditorRevealType.InCenterIfOutsideViewport);
    return undefined;
  },
});

/** The yaml cell that holds a line, counted as the notebook counts its code cells. */
async function findCellIndex(uri: vscode.Uri, line: number): Promise<number | undefined> {
  const text = new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
  const cells = splitCells(text).pieces.filter(({ kind }) => kind === "cell");
  const index = cells.findIndex(({ firstLine, lastLine }) => firstLine <= line && line <= lastLine);
  return index < 0 ? undefined : index;
}
