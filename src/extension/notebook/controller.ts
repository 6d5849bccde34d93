/** What runs the cells of experiments, in the place where other notebooks have a kernel. There is one, and nothing to choose. */
import * as vscode from "vscode";
import type { AttachedRun } from "../../protocol/service/experiments";
import type { Workbench } from "../workbench";
import { type ExperimentSource, isExperimentNotebook } from "./experimentSource";
import { NotebookRuns } from "./notebookRuns";
import { notebookType } from "./serializer";
import { t } from "../l10n";

const id = "lathe";

export class NotebookController implements vscode.Disposable {
  private readonly controller = vscode.notebooks.createNotebookController(id, notebookType, "Lathe");
  private readonly opened = new Map<vscode.NotebookDocument, NotebookRuns>();
  private readonly selected = new WeakSet<vscode.NotebookDocument>();
  private readonly runsChanged = new vscode.EventEmitter<void>();
  private readonly subscriptions: vscode.Disposable;
  /** Which runs belong to which cells has changed. */
  readonly onDidChangeRuns = this.runsChanged.event;

  constructor(private readonly workbench: Workbench) {
    const { controller } = this;
    controller.supportedLanguages = ["yaml"];
    controller.supportsExecutionOrder = true;
    controller.description = t("Trains, compresses and evaluates in separate processes.");
    controller.executeHandler = async (cells, notebook) => {
      if (cells.length > 0) await this.runsOf(notebook).run(cells);
    };
    this.subscriptions = vscode.Disposable.from(
      controller.onDidChangeSelectedNotebooks(({ notebook, selected }) => {
        if (!selected) return void this.selected.delete(notebook);
        this.selected.add(notebook);
        this.runsOf(notebook).restore().catch(workbench.report);
      }),
      vscode.window.onDidChangeVisibleNotebookEditors((editors) =>
        editors.forEach((each) => this.select(each)),
      ),
      vscode.workspace.onDidCloseNotebookDocument((notebook) => {
        this.opened.get(notebook)?.dispose();
        this.opened.delete(notebook);
      }),
    );
    for (const editor of vscode.window.visibleNotebookEditors) this.select(editor);
  }

  /** The runs whose results are shown under the cell, or will be. */
  attachedTo(cell: vscode.NotebookCell): readonly AttachedRun[] {
    return this.opened.get(cell.notebook)?.attachedTo(cell) ?? [];
  }

  private runsOf(notebook: vscode.NotebookDocument): NotebookRuns {
    const existing = this.opened.get(notebook);
    if (existing !== undefined) return existing;
    const runs = new NotebookRuns({
      workbench: this.workbench,
      notebook,
      execute: (cell) => this.controller.createNotebookCellExecution(cell),
      onChange: () => this.runsChanged.fire(),
    });
    this.opened.set(notebook, runs);
    return runs;
  }

  /** The text of an experiment is another: its runs may be of an earlier one now. */
  async changed(source: ExperimentSource, signal: AbortSignal): Promise<void> {
    if ("notebookType" in source.opened)
      await this.opened.get(source.opened)?.refreshAttached(source, signal);
  }

  dispose(): void {
    this.subscriptions.dispose();
    for (const each of this.opened.values()) each.dispose();
    this.runsChanged.dispose();
    this.controller.dispose();
  }

  /** VS Code selects a controller when a cell is run, but outputs of earlier runs are to be shown before that. */
  private select(notebookEditor: vscode.NotebookEditor): void {
    const { notebook } = notebookEditor;
    if (!isExperimentNotebook(notebook) || this.selected.has(notebook)) return;
    this.controller.updateNotebookAffinity(notebook, vscode.NotebookControllerAffinity.Preferred);
    const extension = this.workbench.context.extension.id;
    vscode.commands
      .executeCommand("notebook.selectKernel", { notebookEditor, id, extension })
      .then(undefined, this.workbench.report);
  }
}
