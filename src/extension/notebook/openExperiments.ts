/** The experiments that are open in the window, and their changes: after a pause in typing, not at each key. */
import * as vscode from "vscode";
import {
  type ExperimentSource,
  isExperimentNotebook,
  isExperimentText,
  notebookSource,
  textSource,
} from "./experimentSource";

const pause = 300;

type Opened = ExperimentSource["opened"];

export interface Follower {
  /** Once when an experiment is opened and after every change; `signal` ends when the text changes again. */
  changed(source: ExperimentSource, signal: AbortSignal): void;
  closed(opened: Opened): void;
}

export class OpenExperiments implements vscode.Disposable {
  private readonly opened = new Map<Opened, { timer?: NodeJS.Timeout; controller: AbortController }>();
  private readonly subscriptions: vscode.Disposable;

  constructor(private readonly follower: Follower) {
    const { workspace, window } = vscode;
    this.subscriptions = vscode.Disposable.from(
      workspace.onDidOpenNotebookDocument((notebook) => this.open(notebook)),
      workspace.onDidChangeNotebookDocument(({ notebook, contentChanges, cellChanges }) => {
        // Outputs and execution states change the notebook too, but not its text.
        const isText =
          contentChanges.length > 0 || cellChanges.some(({ document }) => document !== undefined);
        if (isText) this.touch(notebook);
      }),
      workspace.onDidCloseNotebookDocument((notebook) => this.close(notebook)),
      workspace.onDidChangeTextDocument(({ document }) => this.touch(document)),
      workspace.onDidCloseTextDocument((document) => this.close(document)),
      window.tabGroups.onDidChangeTabs(() => this.followTabs()),
    );
    for (const notebook of workspace.notebookDocuments) this.open(notebook);
    this.followTabs();
  }

  /** Reports every experiment again, for example after a restart of the service. */
  again(): void {
    for (const each of this.opened.keys()) this.touch(each);
  }

  dispose(): void {
    this.subscriptions.dispose();
    for (const each of this.opened.keys()) this.close(each);
  }

  private open(each: Opened): void {
    if (this.opened.has(each) || ("notebookType" in each && !isExperimentNotebook(each))) return;
    this.opened.set(each, { controller: new AbortController() });
    this.touch(each, 0);
  }

  private touch(each: Opened, delay = pause): void {
    const entry = this.opened.get(each);
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    entry.controller.abort();
    entry.controller = new AbortController();
    entry.timer = setTimeout(() => {
      if (each.isClosed) return;
      const source = "notebookType" in each ? notebookSource(each) : textSource(each);
      this.follower.changed(source, entry.controller.signal);
    }, delay);
  }

  private close(each: Opened): void {
    const entry = this.opened.get(each);
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    entry.controller.abort();
    this.opened.delete(each);
    this.follower.closed(each);
  }

  private followTabs(): void {
    for (const document of vscode.workspace.textDocuments)
      if (isExperimentText(document)) this.open(document);
      else this.close(document);
  }
}
