/** The panel of charts: which runs and which metrics, and the charts of them, live. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import type { PanelInputs } from "../../src/protocol/page";
import { compareNewestFirst, isExecuting } from "../../src/protocol/run";
import { parseFilter } from "../../src/protocol/runFilter";
import { ProtocolMarks } from "../../src/protocol/protocolMarks";
import { RunSettings } from "../../src/protocol/runSettings";
import { collectKeys, createRunFields } from "../../src/protocol/runFields";
import { describePruning } from "../../src/protocol/pruning";
import type { ChartsView } from "../../src/schema/savedViews";
import type { RunSummary } from "../../src/protocol/service/runs";
import { pluralize } from "../../src/protocol/quantities";
import type { Panel, Stage } from "../kit/stage";
import { renderEmptyState, renderSpinner } from "../kit/states";
import { ViewMenu, type ViewMenuPage } from "../kit/viewMenu";
import type { Page } from "../page";
import { ChartBoard } from "./chartBoard";
import { groupMetrics } from "./chartGroups";
import type { ChartsState } from "./chartsState";
import { captureCharts, restoreCharts, usualMetrics } from "./chartsView";
import { defaultView } from "../kit/drawing";
import { renderMetricList } from "./metricList";
import { collectReferences } from "./references";
import { renderRunList } from "./runList";
import { findOldest, groupRuns, type Grouping, listGroupings } from "../kit/runGroups";
import { createRunNames } from "../kit/runNames";
import { RunSlots } from "../kit/runSlots";
import { renderSelect } from "../kit/select";
import type { ShownRun } from "./chartView";
import type { TrackGroup } from "./deriveTracks";
import { readTheme } from "../kit/chartColors";

interface Matches {
  readonly runs: ReadonlyMap<string, RunSummary>;
  readonly filter: string;
  readonly matching: readonly RunSummary[];
  /** What is wrong with the filter. */
  readonly problem: string | undefined;
}

export class ChartsPage implements Panel {
  private runs: ReadonlyMap<string, RunSummary> | undefined;
  /** Shown runs in the order of choice. */
  private chosenRuns: readonly string[];
  private grouping: Grouping;
  private readonly opened: Set<string>;
  private baseline: string | undefined;
  private readonly slots: RunSlots;
  private readonly settings: RunSettings;
  private marks = new ProtocolMarks(() => []);
  private metrics: readonly string[];
  private filter: string;
  private matches: Matches | undefined;
  private isListPointed = false;
  private lists: boolean;
  private readonly board: ChartBoard;
  private readonly views: ViewMenu<ChartsView>;
  /** The person has been given a first choice, or has chosen. */
  private chosen: boolean;
  /** Nothing is kept of an earlier page, so the view that was shown last is shown. */
  private isNew: boolean;

  constructor(
    private readonly page: Page<"charts", ChartsState>,
    private readonly stage: Stage,
  ) {
    const { state, input, host } = page;
    this.chosenRuns = state?.runs.map((run) => (typeof run === "string" ? run : run[0])) ?? input.runs;
    this.grouping = state?.grouping ?? "";
    this.opened = new Set(state?.opened);
    this.slots = new RunSlots(
      host,
      () => this.arrange(),
      (work) => stage.attempt(work),
    );
    this.isNew = state === undefined;
    this.chosen = state !== undefined || input.runs.length > 0;
    this.metrics = state?.metrics ?? usualMetrics;
    this.filter = state?.filter ?? "";
    this.lists = state?.lists ?? true;
    this.board = new ChartBoard(host, state?.board ?? { view: defaultView, hidden: [] }, {
      redraw: () => stage.redraw(),
      onState: () => this.saveState(),
    });
    const savedView = state === undefined ? page.look.views?.charts : state.savedView;
    this.views = new ViewMenu(host, stage, this.createViewPage(), savedView);
    this.settings = new RunSettings(
      host,
      (work) => stage.attempt(work),
      () => {
        this.matches = undefined;
        stage.redraw();
      },
    );
    host.on("runsChanged", ({ changed, removed }) => this.update(changed, removed));
    host.on("backendRestarted", () => stage.attempt(() => this.load()));
    host.on("lookChanged", ({ baseline }) => {
      this.baseline = baseline;
      this.arrange();
    });
    host.on("inputChanged", ({ input: next }) => {
      const { runs } = next as PanelInputs["charts"];
      if (runs.length > 0) this.setRuns([...this.chosenRuns, ...runs]);
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
        ${this.views.draw()} ${this.renderGrouping(this.runs)} ${this.board.controls()}
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

  private createViewPage(): ViewMenuPage<ChartsView> {
    const getLook = () => {
      const { filter, metrics, grouping, board } = this;
      return { filter, metrics, grouping, view: board.state.view };
    };
    return {
      panel: "charts",
      capture: () => captureCharts(getLook()),
      normalize: (content) => captureCharts(restoreCharts(content)),
      apply: (content) => {
        const { filter, metrics, grouping, view } = restoreCharts(content);
        Object.assign(this, { filter, metrics, grouping });
        this.board.change(view);
        this.arrange();
      },
      changed: () => this.saveState(),
    };
  }

  private renderBoard(): TemplateResult | readonly HTMLElement[] {
    if (this.chosenRuns.length === 0)
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
    const metrics = [...new Set([...usualMetrics, ...this.metrics, ...loggedMetrics])].sort();
    return html`<aside
      class="side"
      aria-label="Runs and metrics"
      @pointerenter=${() => this.setListPointed(true)}
      @pointerleave=${() => this.setListPointed(false)}
    >
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
        placeholder="Filter: words, state:done, eval/loss<2"
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
        chosen: new Set(this.chosenRuns),
        slots: this.slots.distinguish(this.chosenRuns),
        opened: this.opened,
        baseline: this.baseline,
        marks: this.marks,
        theme: readTheme(),
        onTick: (folders, isTicked) => {
          const others = this.chosenRuns.filter((each) => !folders.includes(each));
          this.setRuns(isTicked ? [...others, ...folders] : others);
        },
        onOpen: (key, isOpen) => {
          if (isOpen) this.opened.add(key);
          else this.opened.delete(key);
          this.saveState();
        },
        onBaseline: (run) => this.setBaseline(run),
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
    const { values } = this.settings;
    const { matches, problem } = parseFilter(
      this.filter,
      createRunFields(collectKeys(runs.values(), values), values),
    );
    this.settings.readFor(problem);
    return (this.matches = {
      runs,
      filter: this.filter,
      matching: [...runs.values()].filter(matches),
      problem,
    });
  }

  private getShownRuns(): RunSummary[] {
    return this.chosenRuns.flatMap((run) => this.runs?.get(run) ?? []);
  }

  private renderGrouping(runs: ReadonlyMap<string, RunSummary>): TemplateResult {
    return html`<label class="control"
      ><span>Group by</span> ${renderSelect<string>({
        label: "Group by",
        value: this.grouping,
        choices: [["", "none"], ...listGroupings(runs.values())],
        onSelect: (grouping) => {
          this.grouping = grouping;
          this.arrange();
        },
      })}</label
    >`;
  }

  private setBaseline(run: string | undefined): void {
    this.stage.attempt(() => this.page.host.request("page.setBaseline", run === undefined ? {} : { run }));
    // Differences need the baseline's own curve.
    if (run !== undefined && !this.chosenRuns.includes(run)) this.setRuns([...this.chosenRuns, run]);
  }

  private async load(): Promise<void> {
    const [{ runs }, { baseline }] = await Promise.all([
      this.page.host.request("runs.list", {}),
      this.page.host.request("page.look", {}),
      this.views.load(),
    ]);
    this.baseline = baseline;
    if (this.isNew) this.views.restore();
    this.isNew = false;
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
    this.settings.update(changed);
    const isMoved = changed.some(({ folder, createdAt }) => this.runs!.get(folder)?.createdAt !== createdAt);
    const runs = new Map(this.runs);
    for (const run of changed) runs.set(run.folder, run);
    for (const run of removed) runs.delete(run);
    // While the pointer is on the list, new runs wait at its end, so that no entry moves away under it.
    this.runs = isMoved && !this.isListPointed ? sortNewestFirst(runs) : runs;
    const shown = new Set(this.chosenRuns);
    if (changed.some(({ folder }) => shown.has(folder)) || removed.some((run) => shown.has(run)))
      this.arrange();
    else this.stage.redraw();
  }

  private setListPointed(isPointed: boolean): void {
    this.isListPointed = isPointed;
    if (isPointed || this.runs === undefined) return;
    this.runs = sortNewestFirst(this.runs);
    this.stage.redraw();
  }

  private setRuns(runs: readonly string[]): void {
    this.chosen = true;
    this.chosenRuns = [...new Set(runs)];
    this.arrange();
  }

  /** Gives the board the runs that exist and whose colors are known; one that is gone may come back. */
  private arrange(): void {
    const shownRuns = this.getShownRuns();
    this.slots.request(shownRuns.map(({ folder }) => folder));
    const names = createRunNames(shownRuns);
    const slots = this.slots.distinguish(shownRuns.map(({ folder }) => folder));
    const drawn = shownRuns.flatMap((run): ShownRun[] => {
      const slot = slots.get(run.folder);
      return slot === undefined
        ? []
        : [
            {
              run: run.folder,
              name: names.get(run.folder)!,
              slot,
              losses: run.losses,
              pruned: run.pruned && describePruning(run.pruned),
            },
          ];
    });
    const known = shownRuns.filter(({ folder }) => slots.has(folder));
    this.board.show(
      drawn,
      shownRuns.length === 0 ? [] : groupMetrics(this.metrics),
      collectReferences(shownRuns),
      {
        groups: this.grouping === "" ? undefined : this.createGroups(known, slots),
        baseline: drawn.find(({ run }) => run === this.baseline),
        metrics: [...new Set(shownRuns.flatMap(({ metrics }) => Object.keys(metrics)))].sort(),
        marks: (this.marks = new ProtocolMarks(() => [...(this.runs?.values() ?? [])], shownRuns)),
      },
    );
    this.saveState();
  }

  /** A group looks like its oldest run, whatever is chosen of it, as it does in the table. */
  private createGroups(shown: readonly RunSummary[], slots: ReadonlyMap<string, number>): TrackGroup[] {
    const folders = new Set(shown.map(({ folder }) => folder));
    const groups = groupRuns([...(this.runs?.values() ?? [])], this.grouping);
    return groups.flatMap(({ key, name, runs }): TrackGroup[] => {
      const members = runs.filter(({ folder }) => folders.has(folder)).map(({ folder }) => folder);
      if (members.length === 0) return [];
      const oldest = findOldest(runs).folder;
      this.slots.request([oldest]);
      return [
        {
          key,
          name: members.length === 1 ? name : `${name} (${members.length})`,
          slot: this.slots.get(oldest) ?? slots.get(members[0]!)!,
          runs: members,
        },
      ];
    });
  }

  private saveState(): void {
    const { chosenRuns: runs, metrics, board, filter, lists, grouping } = this;
    const opened = [...this.opened];
    const savedView = this.views.name;
    this.page.keep({
      ...{ runs, metrics, board: board.state, filter, lists, grouping, opened },
      ...(savedView === undefined ? {} : { savedView }),
    });
    this.stage.redraw();
  }
}

function sortNewestFirst(runs: ReadonlyMap<string, RunSummary>): Map<string, RunSummary> {
  return new Map([...runs].sort(([, a], [, b]) => compareNewestFirst(a, b)));
}
