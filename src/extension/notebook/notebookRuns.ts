/**
 * The runs of one open notebook: starts them, shows under each cell what its steps have come to, and finds them again
 * when the window was reloaded or they were started elsewhere. Run folders are the truth: nothing is kept here that a
 * closed notebook would miss.
 */
import { setTimeout } from "node:timers/promises";
import * as vscode from "vscode";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { isActive } from "../../protocol/run";
import type { AttachedRun, Outline } from "../../protocol/service/experiments";
import type { RunSummary } from "../../protocol/service/runs";
import type { RunChange } from "../runStore";
import { areRunsBesideExperiment, getDefaultDevice } from "../settings";
import { requireTrust } from "../trust";
import type { Workbench } from "../workbench";
import { requestQuietly } from "./requestQuietly";
import { type ExperimentSource, createNotebookSource } from "./experimentSource";
import { formatFault, type FaultLinks } from "./formatFault";
import { type Execute, LiveCells } from "./liveCells";
import { t } from "../l10n";

export interface NotebookRunsOptions {
  readonly workbench: Workbench;
  readonly notebook: vscode.NotebookDocument;
  readonly execute: Execute;
  /** Which runs belong to which cells, or whether they are of an earlier text, has changed. */
  readonly onChange: () => void;
}

type RunsByCell = ReadonlyMap<vscode.NotebookCell, readonly AttachedRun[]>;

export class NotebookRuns implements vscode.Disposable {
  private readonly live: LiveCells;
  private readonly subscription: vscode.Disposable;
  private attached: RunsByCell = new Map();
  /** Which runs the output of a cell is about. */
  private readonly shownKeys = new WeakMap<vscode.NotebookCell, string>();
  /** How each run of this experiment was last seen: `active`, or when it ended. */
  private readonly seenStates = new Map<string, string>();
  /** How often each run has been resumed elsewhere since its results were shown. */
  private readonly resumes = new Map<string, number>();
  /** The cell with the message why the last start failed, if it is not one of those that were started. */
  private faulty: vscode.NotebookCell | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private order = 0;

  constructor(private readonly options: NotebookRunsOptions) {
    const { workbench, execute } = options;
    this.live = new LiveCells(workbench, execute);
    this.subscription = workbench.runs.onDidChange((change) => this.attachNewRuns(change));
  }

  attachedTo(cell: vscode.NotebookCell): readonly AttachedRun[] {
    return this.attached.get(cell) ?? [];
  }

  /** Everything through the last of the cells, as one start. */
  async run(cells: readonly vscode.NotebookCell[]): Promise<void> {
    const { notebook } = this.options;
    const last = cells.reduce((a, b) => (b.index > a.index ? b : a));
    const live = this.live.open(last);
    await this.enqueue(async () => {
      const { faulty } = this;
      this.faulty = undefined;
      try {
        const started = await this.start(last);
        await this.attach(faulty === undefined || cells.includes(faulty) ? cells : [faulty, ...cells]);
        this.requireAttached(started);
      } catch (thrown) {
        const cell = findFaultyCell(notebook, thrown) ?? last;
        // The cell that was started shows what it showed before.
        if (cell !== last) {
          live.end(undefined);
          this.live.forget(last);
        }
        if (faulty !== undefined && faulty !== cell && faulty.index >= 0) await this.markDone(faulty);
        await this.showFault(cell, thrown);
      }
    });
  }

  /** Shows under the cell at fault why nothing runs, and scrolls there. */
  private async showFault(cell: vscode.NotebookCell, thrown: unknown): Promise<void> {
    const { notebook } = this.options;
    const live = this.live.open(cell);
    this.shownKeys.delete(cell);
    this.live.forget(cell);
    this.faulty = cell;
    live.order ??= ++this.order;
    await live.fail(formatFault(thrown, createFaultLinks(notebook)));
    const range = new vscode.NotebookRange(cell.index, cell.index + 1);
    for (const editor of vscode.window.visibleNotebookEditors)
      if (editor.notebook === notebook)
        editor.revealRange(range, vscode.NotebookEditorRevealType.InCenterIfOutsideViewport);
  }

  /** Shows the results of earlier runs, and follows those that are still active. */
  async restore(): Promise<void> {
    await this.enqueue(() => this.attach([]));
  }

  /** Finds out which runs are of an earlier text than the one in the editor. */
  async refreshAttached(source: ExperimentSource, signal: AbortSignal): Promise<void> {
    const { log } = this.options.workbench;
    const attached = await requestQuietly(log, signal, this.findAttached(source, signal));
    if (attached === undefined) return;
    this.attached = attached;
    this.options.onChange();
  }

  dispose(): void {
    this.subscription.dispose();
    this.live.dispose();
  }

  private async start(last: vscode.NotebookCell): Promise<readonly RunSummary[]> {
    const { workbench, notebook } = this.options;
    requireTrust(t("Training"));
    await save(notebook);
    const source = createNotebookSource(notebook);
    const outline = await workbench.backend.request("experiment.outline", source.experiment);
    const throughCell = findCellIndex(outline, source, last);
    const isIdle = outline.cells.every(({ index, actions }) => index > throughCell || actions.length === 0);
    // Starting a file with faults fails and reports their places.
    if (isIdle && outline.faults === 0) return [];
    const device = getDefaultDevice(notebook.uri);
    const { runs } = await workbench.backend.request("runs.start", {
      experiment: notebook.uri.fsPath,
      throughCell,
      ...(device === undefined ? {} : { device }),
      ...(areRunsBesideExperiment(notebook.uri) ? { beside: true } : {}),
    });
    return runs;
  }

  /** Runs that no cell shows would continue unseen. */
  private requireAttached(started: readonly RunSummary[]): void {
    const attachedRuns = new Set([...this.attached.values()].flat().map(({ run }) => run));
    const unmatched = started.filter(({ folder }) => !attachedRuns.has(folder));
    if (unmatched.length > 0)
      throw new WorkbenchError(
        "internal",
        t(
          "Started {0}, but no cell here matches it. See the Runs view.",
          unmatched.map(({ name }) => name).join(", "),
        ),
      );
  }

  /** `requested` are the cells that a person has just run; the others show what they have shown before. */
  private async attach(requested: readonly vscode.NotebookCell[]): Promise<void> {
    const { workbench, notebook, onChange } = this.options;
    if (notebook.isClosed || notebook.isUntitled) return;
    await workbench.runs.load();
    this.attached = await this.findAttached(createNotebookSource(notebook));
    onChange();
    const affected = [...new Set([...requested, ...this.attached.keys()])].sort((a, b) => a.index - b.index);
    for (const cell of affected) {
      const runs = this.attached.get(cell);
      if (runs === undefined) {
        await this.markDone(cell);
        continue;
      }
      const key = runs.map(({ run }) => `${run} ${this.resumes.get(run) ?? 0}`).join("\n");
      for (const { run } of runs) this.rememberState(workbench.runs.get(run));
      const isRunning = runs.flatMap(({ run }) => workbench.runs.get(run) ?? []).some(isActive);
      // The output already shows how the run ended.
      if (this.live.get(cell) === undefined && !isRunning && this.shownKeys.get(cell) === key) continue;
      this.shownKeys.set(cell, key);
      const live = this.live.open(cell);
      if (requested.length > 0) live.order ??= ++this.order;
      this.live.assignRuns(live, runs);
    }
    await this.live.refresh();
  }

  private async findAttached(source: ExperimentSource, signal?: AbortSignal): Promise<RunsByCell> {
    const { backend } = this.options.workbench;
    const cells = this.options.notebook.getCells();
    const [{ attached }, outline] = await Promise.all([
      backend.request("experiment.attach", source.experiment, signal),
      backend.request("experiment.outline", source.experiment, signal),
    ]);
    const runsByCell = new Map<vscode.NotebookCell, AttachedRun[]>();
    for (const each of attached) {
      const line = outline.cells.find(({ index }) => index === each.cell)?.firstLine;
      const cellIndex = line === undefined ? undefined : source.whole.cellAt(line);
      const cell = cellIndex === undefined ? undefined : cells[cellIndex];
      if (cell !== undefined) runsByCell.set(cell, [...(runsByCell.get(cell) ?? []), each]);
    }
    return runsByCell;
  }

  /** A cell without actions has nothing to do and did it. */
  private async markDone(cell: vscode.NotebookCell): Promise<void> {
    const live = this.live.open(cell);
    this.live.forget(cell);
    live.order ??= ++this.order;
    await live.clear();
  }

  /** A run that was started or resumed elsewhere gets its place here, also if it has ended again since. */
  private attachNewRuns({ changed }: RunChange): void {
    const file = this.options.notebook.uri.fsPath;
    let isNew = false;
    for (const run of changed) {
      if (run.experiment !== file) continue;
      const previous = this.seenStates.get(run.folder);
      this.rememberState(run);
      if (this.live.has(run.folder) || previous === this.seenStates.get(run.folder)) continue;
      const hasStarted = isActive(run);
      // Of an ended run there is news only if it had ended before, at another time.
      if (!hasStarted && (previous === undefined || previous === "active")) continue;
      if (previous !== undefined) this.resumes.set(run.folder, (this.resumes.get(run.folder) ?? 0) + 1);
      isNew = true;
    }
    if (isNew) this.restore().catch(this.options.workbench.report);
  }

  private rememberState(run: RunSummary | undefined): void {
    if (run !== undefined)
      this.seenStates.set(run.folder, isActive(run) ? "active" : (run.endedAt ?? run.state));
  }

  private enqueue(work: () => Promise<void>): Promise<void> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => undefined);
    return result;
  }
}

async function save(notebook: vscode.NotebookDocument): Promise<void> {
  if (notebook.isUntitled)
    throw new WorkbenchError(
      "invalid-input",
      t(
        "The experiment is not saved yet, so there is no folder for its runs. Save it as NAME.lathe.md first.",
      ),
    );
  // VS Code gives up a save that another cell's output overtakes, and then the next one succeeds.
  for (let attempt = 0; attempt < 4; attempt++) {
    if (!notebook.isDirty || (await notebook.save())) return;
    await setTimeout(250);
  }
  throw new WorkbenchError(
    "io",
    t("The experiment could not be saved, and only saved text is run. Save it, then run the cell again."),
  );
}

/** The cell that holds the place of an error, if it is one that can show an output. */
function findFaultyCell(notebook: vscode.NotebookDocument, thrown: unknown): vscode.NotebookCell | undefined {
  const { position } = toWorkbenchError(thrown).details;
  if (position === undefined) return undefined;
  const { line, column } = position;
  const range = createNotebookSource(notebook).whole.toDocumentRange({
    line,
    column,
    endLine: line,
    endColumn: column,
  });
  const cell = range === undefined ? undefined : notebook.getCells()[range.cell];
  return cell?.kind === vscode.NotebookCellKind.Code ? cell : undefined;
}

/** The service omits empty cells, so the last cell it knows up to here counts. */
function findCellIndex(outline: Outline, source: ExperimentSource, cell: vscode.NotebookCell): number {
  const earlierCells = outline.cells.filter(
    ({ firstLine }) => (source.whole.cellAt(firstLine) ?? 0) <= cell.index,
  );
  return earlierCells.at(-1)?.index ?? 0;
}

/** Links lead to cells: VS Code opens the file as the notebook that is open already, and would stay where it is. */
export function createFaultLinks(notebook: vscode.NotebookDocument): FaultLinks {
  const { whole, documents } = createNotebookSource(notebook);
  return {
    file: notebook.uri.fsPath,
    linkTo: (line, column) => {
      const range = whole.toDocumentRange({ line, column, endLine: line, endColumn: column });
      const document = range === undefined ? undefined : documents[range.cell];
      if (!vscode.workspace.isTrusted || range === undefined || document === undefined) return undefined;
      return `${document.uri.toString()}?line=${range.start.line}`;
    },
  };
}
