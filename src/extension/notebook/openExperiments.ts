/** The experiments that are open in the window, and their changes: after a pause in typing, not at each key. */
import * as vscode from "vscode";
import {
  type ExperimentSource,
  isExperimentNotebook,
  isExperimentText,
  createNotebookSource,
  createTextSource,
} from "./experimentSource";

const changeDelay = 300;

type OpenDocument = ExperimentSource["opened"];

export interface ExperimentListener {
  /** Once when an experiment is opened and after every change; `signal` ends when the text changes again. */
  changed(source: ExperimentSource, signal: AbortSignal): void;
  closed(opened: OpenDocument): void;
}

export class OpenExperiments implements vscode.Disposable {
  private readonly opened = new Map<OpenDocument, { timer?: NodeJS.Timeout; controller: AbortController }>();
  private readonly subscriptions: vscode.Disposable;

  constructor(private readonly listener: ExperimentListener) {
    const { workspace, window } = vscode;
    this.subscriptions = vscode.Disposable.from(
      workspace.onDidOpenNotebookDocument((notebook) => this.open(notebook)),
      workspace.onDidChangeNotebookDocument(({ notebook, contentChanges, cellChanges }) => {
        // Outputs and execution states change the notebook too, but not its text.
        const isTextChange =
          contentChanges.length > 0 || cellChanges.some(({ document }) => document !== undefined);
        if (isTextChange) this.scheduleChange(notebook);
      }),
      workspace.onDidCloseNotebookDocument((notebook) => this.close(notebook)),
      workspace.onDidChangeTextDocument(({ document }) => this.scheduleChange(document)),
      workspace.onDidCloseTextDocument((document) => this.close(document)),
      window.tabGroups.onDidChangeTabs(() => this.updateOpenTexts()),
    );
    for (const notebook of workspace.notebookDocuments) this.open(notebook);
    this.updateOpenTexts();
  }

  /** Reports every experiment again, for example after a restart of the service. */
  refresh(): void {
    for (const document of this.opened.keys()) this.scheduleChange(document);
  }

  dispose(): void {
    this.subscriptions.dispose();
    for (const document of this.opened.keys()) this.close(document);
  }

  private open(document: OpenDocument): void {
    if (this.opened.has(document) || ("notebookType" in document && !isExperimentNotebook(document))) return;
    this.opened.set(document, { controller: new AbortController() });
    this.scheduleChange(document, 0);
  }

  private scheduleChange(document: OpenDocument, delay = changeDelay): void {
    const entry = this.opened.get(document);
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    entry.controller.abort();
    entry.controller = new AbortController();
    entry.timer = setTimeout(() => {
      if (document.isClosed) return;
      const source = "notebookType" in document ? createNotebookSource(document) : createTextSource(document);
      this.listener.changed(source, entry.controller.signal);
    }, delay);
  }

  private close(document: OpenDocument): void {
    const entry = this.opened.get(document);
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    entry.controller.abort();
    this.opened.delete(document);
    this.listener.closed(document);
  }

  private updateOpenTexts(): void {
    for (const document of vscode.workspace.textDocuments)
      if (isExperimentText(document)) this.open(document);
      else this.close(document);
  }
}
