/**
 * The runs of one open notebook: starts them, shows under each cell what its steps have come to, and finds them again
 * when the window was reloaded or they were started elsewhere. Run folders are the truth: nothing is kept here that a
 * closed notebook would miss.
 */
import { setTimeout } from "node:timers/promises";
import * as vscode from "vscode";
import { WorkbenchError } from "../../protocol/errors";
import { isActive } from "../../protocol/run";
import type { AttachedRun, Outline } from "../../protocol/service/experiments";
import type { RunSummary } from "../../protocol/service/runs";
import type { RunChange } from "../runStore";
import { chosenDevice } from "../settings";
import { requireTrust } from "../trust";
import type { Workbench } from "../workbench";
import { quietly } from "./asking";
import { type ExperimentSource, notebookSource } from "./experimentSource";
import { faultText, type FaultPlaces } from "./faultText";
import { type Execute, LiveCells } from "./liveCells";

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
  private readonly shown = new WeakMap<vscode.NotebookCell, string>();
  /** Runs from elsewhere whose place here has been asked for. */
  private readonly met = new Set<string>();
  private last: Promise<unknown> = Promise.resolve();
  private order = 0;

  constructor(private readonly options: NotebookRunsOptions) {
    const { workbench, execute } = options;
    this.live = new LiveCells(workbench, execute);
    this.subscription = workbench.runs.onDidChange((change) => this.meet(change));
  }

  attachedTo(cell: vscode.NotebookCell): readonly AttachedRun[] {
    return this.attached.get(cell) ?? [];
  }

  /** Everything through the last of the cells, as one start. */
  async run(cells: readonly vscode.NotebookCell[]): Promise<void> {
    const { notebook } = this.options;
    const last = cells.reduce((a, b) => (b.index > a.index ? b : a));
    const waiting = this.live.open(last);
    await this.inTurn(async () => {
      try {
        const started = await this.start(last);
        await this.attach(cells);
        this.expect(started);
      } catch (thrown) {
        this.shown.delete(last);
        this.live.forget(last);
        waiting.order ??= ++this.order;
        await waiting.fail(faultText(thrown, faultPlaces(notebook)));
      }
    });
  }

  /** Shows the results of earlier runs, and follows those that are still active. */
  async restore(): Promise<void> {
    await this.inTurn(() => this.attach([]));
  }

  /** Finds out which runs are of an earlier text than the one in the editor. */
  async compare(source: ExperimentSource, signal: AbortSignal): Promise<void> {
    const { log } = this.options.workbench;
    const found = await quietly(log, signal, this.ask(source, signal));
    if (found === undefined) return;
    this.attached = found;
    this.options.onChange();
  }

  dispose(): void {
    this.subscription.dispose();
    this.live.dispose();
  }

  private async start(last: vscode.NotebookCell): Promise<readonly RunSummary[]> {
    const { workbench, notebook } = this.options;
    requireTrust("Training");
    await save(notebook);
    const source = notebookSource(notebook);
    const outline = await workbench.backend.request("experiment.outline", source.experiment);
    const throughCell = indexOf(outline, source, last);
    const isIdle = outline.cells.every(({ index, actions }) => index > throughCell || actions.length === 0);
    // Starting a file with faults fails and reports their places.
    if (isIdle && outline.faults === 0) return [];
    const device = chosenDevice(notebook.uri);
    const { runs } = await workbench.backend.request("runs.start", {
      experiment: notebook.uri.fsPath,
      throughCell,
      ...(device === undefined ? {} : { device }),
    });
    return runs;
  }

  /** Runs that no cell shows would continue unseen. */
  private expect(started: readonly RunSummary[]): void {
    const known = new Set([...this.attached.values()].flat().map(({ run }) => run));
    const lost = started.filter(({ folder }) => !known.has(folder));
    if (lost.length > 0)
      throw new WorkbenchError(
        "internal",
        `Started ${lost.map(({ name }) => name).join(", ")}, but no cell here matches it. See the Runs view.`,
      );
  }

  /** `asked` are the cells that a person has just run; the others show what they have shown before. */
  private async attach(asked: readonly vscode.NotebookCell[]): Promise<void> {
    const { workbench, notebook, onChange } = this.options;
    if (notebook.isClosed || notebook.isUntitled) return;
    await workbench.runs.load();
    this.attached = await this.ask(notebookSource(notebook));
    onChange();
    const concerned = [...new Set([...asked, ...this.attached.keys()])].sort((a, b) => a.index - b.index);
    for (const cell of concerned) {
      const runs = this.attached.get(cell);
      if (runs === undefined) {
        await this.tick(cell);
        continue;
      }
      const key = runs.map(({ run }) => run).join("\n");
      const goesOn = runs.flatMap(({ run }) => workbench.runs.get(run) ?? []).some(isActive);
      // The output already shows how the run ended.
      if (this.live.get(cell) === undefined && !goesOn && this.shown.get(cell) === key) continue;
      this.shown.set(cell, key);
      const live = this.live.open(cell);
      if (asked.length > 0) live.order ??= ++this.order;
      this.live.follows(live, runs);
    }
    await this.live.refresh();
  }

  private async ask(source: ExperimentSource, signal?: AbortSignal): Promise<RunsByCell> {
    const { backend } = this.options.workbench;
    const cells = this.options.notebook.getCells();
    const [{ attached }, outline] = await Promise.all([
      backend.request("experiment.attach", source.experiment, signal),
      backend.request("experiment.outline", source.experiment, signal),
    ]);
    const found = new Map<vscode.NotebookCell, AttachedRun[]>();
    for (const each of attached) {
      const line = outline.cells.find(({ index }) => index === each.cell)?.firstLine;
      const at = line === undefined ? undefined : source.whole.cellAt(line);
      const cell = at === undefined ? undefined : cells[at];
      if (cell !== undefined) found.set(cell, [...(found.get(cell) ?? []), each]);
    }
    return found;
  }

  /** A cell without actions has nothing to do and did it. */
  private async tick(cell: vscode.NotebookCell): Promise<void> {
    const live = this.live.open(cell);
    this.live.forget(cell);
    live.order ??= ++this.order;
    await live.clear();
  }

  /** A run that was started or resumed elsewhere gets its place here. */
  private meet({ changed }: RunChange): void {
    const file = this.options.notebook.uri.fsPath;
    const isNew = changed
      .filter((run) => run.experiment === file && isActive(run) && !this.live.has(run.folder))
      .map(({ folder, startedAt }) => `${folder} ${startedAt ?? ""}`)
      .filter((key) => !this.met.has(key));
    if (isNew.length === 0) return;
    for (const key of isNew) this.met.add(key);
    this.restore().catch(this.options.workbench.report);
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.last.then(work);
    this.last = turn.catch(() => undefined);
    return turn;
  }
}

async function save(notebook: vscode.NotebookDocument): Promise<void> {
  if (notebook.isUntitled)
    throw new WorkbenchError(
      "invalid-input",
      "The experiment is not saved yet, so there is no folder for its runs. Save it as NAME.lathe.md first.",
    );
  // VS Code gives up a save that another cell's output overtakes, and then the next one succeeds.
  for (let tries = 0; tries < 4; tries++) {
    if (!notebook.isDirty || (await notebook.save())) return;
    await setTimeout(250);
  }
  throw new WorkbenchError(
    "io",
    "The experiment could not be saved, and only saved text is run. Save it, then run the cell again.",
  );
}

/** The service omits empty cells, so the last cell it knows up to here counts. */
function indexOf(outline: Outline, source: ExperimentSource, cell: vscode.NotebookCell): number {
  const reached = outline.cells.filter(
    ({ firstLine }) => (source.whole.cellAt(firstLine) ?? 0) <= cell.index,
  );
  return reached.at(-1)?.index ?? 0;
}

/** Links lead to cells: VS Code opens the file as the notebook that is open already, and would stay where it is. */
export function faultPlaces(notebook: vscode.NotebookDocument): FaultPlaces {
  const { whole, documents } = notebookSource(notebook);
  return {
    file: notebook.uri.fsPath,
    linkTo: (line, column) => {
      const shown = whole.shownAt({ line, column, endLine: line, endColumn: column });
      const document = shown === undefined ? undefined : documents[shown.cell];
      if (!vscode.workspace.isTrusted || shown === undefined || document === undefined) return undefined;
      return `${document.uri.toString()}?line=${shown.start.line}`;
    },
  };
}
