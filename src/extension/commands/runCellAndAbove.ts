import * as vscode from "vscode";
import { splitCells } from "../../protocol/cells";
import { WorkbenchError } from "../../protocol/errors";
import { pickExperiment } from "../choices/pickExperiment";
import { defineCommand } from "../command";
import { runInNotebook } from "../runInNotebook";
import { startRuns } from "../startRuns";
import { requireTrust, whenTrusted } from "../trust";
import { t } from "../l10n";

export default defineCommand({
  title: "Run Cell and Above",
  icon: "$(run-above)",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.experiments && viewItem =~ /\\bcell\\b/",
      group: "inline@1",
    },
    { menu: "editor/title/run", when: "resourceFilename =~ /\\.lathe\\.md$/ && !notebookType" },
  ],
  async run(workbench, ...args) {
    requireTrust(t("Training"));
    const target = await pickExperiment(args, t("Select an experiment to run a cell of"));
    if (target === undefined) return;
    const { experiment, cell = getCellAtCursor(experiment) } = target;
    if (cell === undefined)
      throw new WorkbenchError(
        "invalid-input",
        t("No cell is selected. Select the cell to run, then run this command again."),
      );
    if (!(await runInNotebook(experiment, cell)))
      await startRuns(workbench, { experiment, throughCell: cell });
  },
});

/** Counts yaml cells only, as the service does. */
function getCellAtCursor(experiment: string): number | undefined {
  const notebook = vscode.window.activeNotebookEditor;
  if (notebook?.notebook.uri.fsPath === experiment) {
    const codeCells = notebook.notebook
      .getCells()
      .filter(({ kind }) => kind === vscode.NotebookCellKind.Code);
    // A notebook that was just opened has no selection in older versions.
    const index = codeCells.findIndex((cell) => cell.index === notebook.selections[0]?.start);
    return index < 0 ? undefined : index;
  }
  const text = vscode.window.activeTextEditor;
  if (text?.document.uri.fsPath !== experiment) return undefined;
  const line = text.selection.active.line + 1;
  const cells = splitCells(text.document.getText()).pieces.filter(({ kind }) => kind === "cell");
  const index = cells.findIndex(({ firstLine, lastLine }) => firstLine <= line && line <= lastLine);
  return index < 0 ? undefined : index;
}
