/** One cell while runs concern it: its execution in VS Code, with the spinner, the stop button and the output. */
import * as vscode from "vscode";
import { formatCellMarkdown, cellOutputType } from "../../protocol/cellOutput";
import type { AttachedRun } from "../../protocol/service/experiments";
import type { CellResult } from "./cellResults";

export class LiveCell {
  /** What it shows; none while a start is being tried. */
  runs: readonly AttachedRun[] = [];
  /** The number in the brackets beside the cell; none for what an earlier window began. */
  order: number | undefined;
  /** Stopped before its runs were known. */
  isStopRequested = false;
  private output: vscode.NotebookCellOutput | undefined;
  private lastContent = "";
  private isStarted = false;
  private isEnded = false;

  /** `onStop` is called when the user stops the cell, not when the cell or its notebook is closed. */
  constructor(
    private readonly execution: vscode.NotebookCellExecution,
    onStop: () => void,
  ) {
    execution.token.onCancellationRequested(() => {
      // VS Code cancels the same way when the notebook is closed or the cell removed, and reports that a moment later.
      setTimeout(() => {
        if (!this.isGone && !this.isEnded) onStop();
      }, 300);
    });
  }

  get cell(): vscode.NotebookCell {
    return this.execution.cell;
  }

  get isGone(): boolean {
    return this.cell.index < 0 || this.cell.notebook.isClosed;
  }

  private start(at = Date.now()): void {
    if (this.isStarted) return;
    this.isStarted = true;
    this.execution.executionOrder = this.order;
    this.execution.start(at);
  }

  /** Shows the current state; true if it was the last one. */
  async show({ output, begun, ended, success, startedAt, endedAt }: CellResult): Promise<boolean> {
    if (begun) {
      // What an earlier window began shows its own times.
      this.start(this.order === undefined ? startedAt : Date.now());
      await this.replace([
        vscode.NotebookCellOutputItem.json(output, cellOutputType),
        vscode.NotebookCellOutputItem.text(formatCellMarkdown(output), "text/markdown"),
      ]);
    }
    if (ended) this.end(success, this.order === undefined ? endedAt : Date.now());
    return ended;
  }

  /** The cell has nothing to show, and what it showed before is no longer true. */
  async clear(): Promise<void> {
    this.start();
    if (this.cell.outputs.length > 0) await this.execution.clearOutput();
    this.end(true, Date.now());
  }

  /** `text` is the whole message; its first line must name the fault. */
  async fail(text: string): Promise<void> {
    const error = new Error(text);
    error.name = "";
    error.stack = text;
    this.start();
    await this.replace([vscode.NotebookCellOutputItem.error(error)]);
    this.end(false, Date.now());
  }

  end(success: boolean | undefined, at?: number): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.execution.end(success, at);
  }

  /** Replaces the items of the same output, so that the page under the cell continues instead of restarting. */
  private async replace(items: vscode.NotebookCellOutputItem[]): Promise<void> {
    const key = items.map(({ data }) => Buffer.from(data).toString()).join("\n");
    if (key === this.lastContent) return;
    this.lastContent = key;
    if (this.output !== undefined) return this.execution.replaceOutputItems(items, this.output);
    this.output = new vscode.NotebookCellOutput(items);
    await this.execution.replaceOutput(this.output);
  }
}
