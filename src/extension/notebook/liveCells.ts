/** The cells of one notebook with active runs: updated after each event, ended when no more can come. */
import * as vscode from "vscode";
import { toWorkbenchError } from "../../protocol/errors";
import { isActive } from "../../protocol/run";
import type { AttachedRun } from "../../protocol/service/experiments";
import type { RunSummary } from "../../protocol/service/runs";
import { escapeControls } from "../plainText";
import type { RunChange } from "../runStore";
import type { Workbench } from "../workbench";
import { readCellResults } from "./cellResults";
import { escapeTags } from "./formatFault";
import { LiveCell } from "./liveCell";

/** The page under a cell follows its runs by itself; its input is updated for the next time it is created. */
const refreshDelay = 4000;
/** So that what changes together is shown together. */
const changeDelay = 150;
const maxFailures = 3;

export type Execute = (cell: vscode.NotebookCell) => vscode.NotebookCellExecution;

export class LiveCells implements vscode.Disposable {
  private readonly cells = new Map<vscode.NotebookCell, LiveCell>();
  private readonly statuses = new Map<string, string>();
  private readonly stopping = new Set<string>();
  private readonly subscription: vscode.Disposable;
  private timer: NodeJS.Timeout | undefined;
  private dueAt = Infinity;
  private failures = 0;
  private refreshing: Promise<void> = Promise.resolve();

  constructor(
    private readonly workbench: Workbench,
    private readonly execute: Execute,
  ) {
    this.subscription = workbench.runs.onDidChange((change) => this.follow(change));
  }

  /** The live cell that there is, or a new one. */
  open(cell: vscode.NotebookCell): LiveCell {
    const existing = this.cells.get(cell);
    if (existing !== undefined) return existing;
    const created: LiveCell = new LiveCell(this.execute(cell), () => this.stop(created));
    this.cells.set(cell, created);
    return created;
  }

  get(cell: vscode.NotebookCell): LiveCell | undefined {
    return this.cells.get(cell);
  }

  forget(cell: vscode.NotebookCell): void {
    this.cells.delete(cell);
  }

  has(run: string): boolean {
    return [...this.cells.values()].some(({ runs }) => runs.some((each) => each.run === run));
  }

  assignRuns(live: LiveCell, runs: readonly AttachedRun[]): void {
    live.runs = runs;
    if (live.isStopRequested) this.stop(live);
  }

  /** Resolves when every cell shows what is known now. */
  refresh(): Promise<void> {
    this.refreshing = this.refreshing.then(() => this.update());
    return this.refreshing;
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.subscription.dispose();
    // The runs continue, and the next window shows them.
    for (const each of this.cells.values()) each.end(undefined);
    this.cells.clear();
  }

  private follow({ changed, removed }: RunChange): void {
    if (removed.some((run) => this.has(run))) this.schedule(Date.now() + changeDelay);
    for (const { folder, state, progress } of changed) {
      if (!this.has(folder)) continue;
      const status = `${state} ${progress?.action ?? ""}`;
      const isChanged = this.statuses.get(folder) !== status;
      this.statuses.set(folder, status);
      this.schedule(Date.now() + (isChanged ? changeDelay : refreshDelay));
    }
  }

  private schedule(at: number): void {
    if (at >= this.dueAt) return;
    clearTimeout(this.timer);
    this.dueAt = at;
    this.timer = setTimeout(() => void this.refresh(), at - Date.now());
  }

  private async update(): Promise<void> {
    clearTimeout(this.timer);
    this.dueAt = Infinity;
    for (const [cell, live] of this.cells) if (live.isGone) this.close(cell, live);
    const cells = [...this.cells.values()]
      .filter(({ runs }) => runs.length > 0)
      .sort((a, b) => a.cell.index - b.cell.index);
    if (cells.length === 0) return;
    try {
      const { backend, runs } = this.workbench;
      const results = await readCellResults(
        backend,
        cells.map((each) => each.runs),
        (run) => runs.get(run),
      );
      this.failures = 0;
      for (const [index, live] of cells.entries())
        if (live.isGone || (await live.show(results[index]!))) this.close(live.cell, live);
    } catch (thrown) {
      await this.fail(cells, thrown);
    }
  }

  /** After a crash the service comes back, and with it news of every run; anything else may pass, or else is shown. */
  private async fail(cells: readonly LiveCell[], thrown: unknown): Promise<void> {
    const error = toWorkbenchError(thrown);
    this.workbench.log.warn(error.message);
    if (error.code === "cancelled" || error.details["crash"] === true) return;
    this.failures++;
    if (this.failures < maxFailures) {
      this.schedule(Date.now() + refreshDelay);
      return;
    }
    this.failures = 0;
    for (const live of cells) {
      await live.fail(escapeTags(escapeControls(error.message)));
      this.cells.delete(live.cell);
    }
  }

  private close(cell: vscode.NotebookCell, live: LiveCell): void {
    live.end(undefined);
    this.cells.delete(cell);
  }

  private stop(live: LiveCell): void {
    live.isStopRequested = true;
    const { backend, runs, report } = this.workbench;
    const activeRuns = live.runs.flatMap(({ run }) => runs.get(run) ?? []).filter(isActive);
    const stop = async ({ folder }: RunSummary) => {
      if (this.stopping.has(folder)) return;
      this.stopping.add(folder);
      try {
        await backend.request("runs.stop", { run: folder });
      } finally {
        this.stopping.delete(folder);
      }
    };
    for (const run of activeRuns) stop(run).catch(report);
  }
}
