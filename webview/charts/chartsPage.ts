/** The panel of charts: which runs and which metrics, and the charts of them, live. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import type { PanelInputs } from "../../src/protocol/page";
import { isExecuting } from "../../src/protocol/run";
import { parseFilter } from "../../src/protocol/runFilter";
import { collectKeys, createRunFields } from "../../src/protocol/runFields";
import type { RunSummary } from "../../src/protocol/service/runs";
import { pluralize } from "../../src/protocol/quantities";
import type { Panel, Stage } from "../kit/stage";
import { renderEmptyState, renderSpinner } from "../kit/states";
import type { Page } from "../page";
import { ChartBoard } from "./chartBoard";
import { groupMetrics } from "./chartGroups";
import type { ChartsState } from "./chartsState";
import { defaultView } from "../kit/drawing";
import { renderMetricList } from "./metricList";
import { assignSlots } from "../../src/pictures/palette";
import { collectReferences } from "./references";
import { renderRunList } from "./runList";
import { createRunNames } from "../kit/runNames";
import { readTheme } from "../kit/chartColors";

const defaultMetrics = ["train/loss", "eval/loss"];

interface Matches {
  readonly runs: ReadonlyMap<string, RunSummary>;
  readonly filter: string;
  readonly matching: readonly RunSummary[];
  /** What is wrong with the filter. */
  readonly problem: string | undefined;
}

export class ChartsPage implements Panel {
  private runs: ReadonlyMap<string, RunSummary> | undefined;
  /** Shown runs and their slots, in the order of choice. */
  private slots: Map<string, number>;
  private metrics: readonly string[];
  private filter: string;
  private matches: Matches | undefined;
  private lists: boolean;
  private readonly board: ChartBoard;
  /** The person has been given a first choice, or has chosen. */
  private chosen: boolean;

  constructor(
    private readonly page: Page<"charts", ChartsState>,
    private readonly stage: Stage,
  ) {
    const { state, input, host } = page;
    this.slots = state === undefined ? assignSlots(input.runs, new Map()) : new Map(state.runs);
    this.chosen = state !== undefined || input.runs.length > 0;
    this.metrics = state?.metrics ?? defaultMetrics;
    this.filter = state?.filter ?? "";
    this.lists = state?.lists ?? true;
    this.board = new ChartBoard(host, state?.board ?? { view: defaultView, hidden: [] }, {
      redraw: () => stage.redraw(),
      onState: () => this.saveState(),
    });
    host.on("runsChanged", ({ changed, removed }) => this.update(changed, removed));
    host.on("backendRestarted", () => stage.attempt(() => this.load()));
    host.on("inputChanged", ({ input: next }) => {
      const { runs } = next as PanelInputs["charts"];
      if (runs.length > 0) this.setRuns([...new Set([...this.slots.keys(), ...runs])]);
    });
    stage.attempt(() => this.load());
  }

  draw(): TemplateResult {
    if (this.runs === undefined) return renderSpinner("Reading the runs…");
    if (this.runs.size === 0)
      return renderEmptyState(
        "No runs yet",
        "Open an experiment (a file that ends in .lathe.md) and run a cell. Its curves appear here while it trains.",
      );
    return html`<div class="toolbar">
        <button
          type="button"
          class="switch"
          aria-pressed=${String(this.lists)}
          @click=${() => {
            this.lists = !this.lists;
            this.saveState();
          }}
        >
          Runs and metrics
        </button>
        ${this.board.controls()}
        <span class="spring"></span>
        <span class="muted hint">drag to zoom, with Shift to move, or Ctrl and the wheel</span>
      </div>
      <div class="charts-page">
        ${this.lists ? this.renderSidebar(this.runs) : nothing}
        <div class="board">${this.renderBoard()}</div>
      </div>`;
  }

  afterDraw(): void {
    this.board.draw();
  }

  private renderBoard(): TemplateResult | readonly HTMLElement[] {
    if (this.slots.size === 0)
      return renderEmptyState("No run selected", "Select a run in the list on the left to see its curves.");
    if (this.metrics.length === 0)
      return renderEmptyState(
        "No metric selected",
        "Select a metric in the list on the left, such as train/loss.",
      );
    return this.board.elements;
  }

  private renderSidebar(runs: ReadonlyMap<string, RunSummary>): TemplateResult {
    const { matching, problem } = this.findMatches(runs);
    const shownRuns = this.getShownRuns();
    const loggedMetrics = shownRuns.flatMap(({ metrics }) => Object.keys(metrics));
    const metrics = [...new Set([...defaultMetrics, ...this.metrics, ...loggedMetrics])].sort();
    return html`<aside class="side" aria-label="Runs and metrics">
      <div class="side-head">
        <h2>Runs</h2>
        <span class="muted">${pluralize(shownRuns.length, "run")} shown</span>
        <span class="spring"></span>
        <button
          type="button"
          class="plain"
          ?disabled=${shownRuns.length === 0}
          @click=${() => this.setRuns([])}
        >
          None
        </button>
      </div>
      <input
        type="search"
        class="filter"
        placeholder="Filter: words, state:done, loss<2"
        aria-label="Filter the runs"
        .value=${live(this.filter)}
        @input=${(event: Event) => {
          this.filter = (event.target as HTMLInputElement).value;
          this.saveState();
        }}
      />
      ${problem === undefined ? nothing : html`<p class="note fault" role="status">${problem}</p>`}
      ${renderRunList({
        runs: matching,
        names: createRunNames([...runs.values()]),
        slots: this.slots,
        theme: readTheme(),
        onTick: (run, isTicked) => {
          const others = [...this.slots.keys()].filter((each) => each !== run);
          this.setRuns(isTicked ? [...others, run] : others);
        },
      })}
      <div class="side-head"><h2>Metrics</h2></div>
      ${renderMetricList(metrics, new Set(this.metrics), (metric, isTicked) => {
        const others = this.metrics.filter((each) => each !== metric);
        this.metrics = isTicked ? [...others, metric] : others;
        this.arrange();
      })}
    </aside>`;
  }

  /** Found again only if the runs or the filter have changed: both may be large. */
  private findMatches(runs: ReadonlyMap<string, RunSummary>): Matches {
    if (this.matches?.runs === runs && this.matches.filter === this.filter) return this.matches;
    const { matches, problem } = parseFilter(this.filter, createRunFields(collectKeys(runs.values())));
    return (this.matches = {
      runs,
      filter: this.filter,
      matching: [...runs.values()].filter(matches),
      problem,
    });
  }

  private getShownRuns(): RunSummary[] {
    return [...this.slots.keys()].flatMap((run) => this.runs?.get(run) ?? []);
  }

  private async load(): Promise<void> {
    const { runs } = await this.page.host.request("runs.list", {});
    this.runs = new Map(runs.map((run) => [run.folder, run]));
    // If no run is named, show the active ones, or the one that ran last.
    const executing = runs.filter(isExecuting);
    const first =
      executing.length > 0
        ? executing
        : runs.filter(({ metrics }) => Object.keys(metrics).length > 0).slice(0, 1);
    if (!this.chosen) this.setRuns(first.map(({ folder }) => folder));
    else this.arrange();
  }

  private update(changed: readonly RunSummary[], removed: readonly string[]): void {
    if (this.runs === undefined) return;
    const newRuns = changed.filter(({ folder }) => !this.runs!.has(folder));
    const runs = new Map([...newRuns.map((run) => [run.folder, run] as const), ...this.runs]);
    for (const run of changed) runs.set(run.folder, run);
    for (const run of removed) runs.delete(run);
    this.runs = runs;
    const isShown = (run: RunSummary) => this.slots.has(run.folder);
    if (changed.some(isShown) || removed.some((run) => this.slots.has(run))) this.arrange();
    else this.stage.redraw();
  }

  private setRuns(runs: readonly string[]): void {
    this.chosen = true;
    this.slots = assignSlots(runs, this.slots);
    this.arrange();
  }

  /** Gives the board the runs that are really there; one that is gone keeps its slot, should it come back. */
  private arrange(): void {
    const shownRuns = this.getShownRuns();
    const names = createRunNames(shownRuns);
    this.board.show(
      shownRuns.map(({ folder }) => ({
        run: folder,
        name: names.get(folder)!,
        slot: this.slots.get(folder)!,
      })),
      shownRuns.length === 0 ? [] : groupMetrics(this.metrics),
      collectReferences(shownRuns),
    );
    this.saveState();
  }

  private saveState(): void {
    const { slots, metrics, board, filter, lists } = this;
    this.page.keep({ runs: [...slots], metrics, board: board.state, filter, lists });
    this.stage.redraw();
  }
}
