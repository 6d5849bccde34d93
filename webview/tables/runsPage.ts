/** The panel of all runs: what is listed, filtered, selected and compared, and what may be done with it. */
import { html, nothing, type TemplateResult } from "lit";
import type { PageCommand, PageRequests } from "../../src/protocol/page";
import type { RunSummary } from "../../src/protocol/service/runs";
import type { Panel, Stage } from "../kit/stage";
import { emptyState, spinner } from "../kit/states";
import type { Page } from "../page";
import { ColumnMenu } from "./columnMenu";
import { comparisonView, type Differences } from "./comparison";
import { csvOf, type CsvValue, tabbed } from "../../src/protocol/csv";
import { columnsOf, type EditableField, type RunColumn, seenIn, type Settings } from "./runColumns";
import { parseFilter, type RunFilter } from "./runFilter";
import { type GridPage, RunGrid } from "./runGrid";
import { noSelection, retained, type Selection } from "./runSelection";
import { type Arrangement, RunTable, type TableRow, usualArrangement } from "./runTable";
import { actionBar, filterBar } from "./runsToolbar";
import { splitter } from "./splitter";

export interface RunsState {
  readonly arrangement: Arrangement;
  readonly filter: string;
  readonly selected: readonly string[];
  readonly compared: readonly string[];
  readonly comparisonHeight: number;
  readonly settings: boolean;
  readonly scrollTop: number;
}

export class RunsPage implements Panel, GridPage {
  readonly table: RunTable;
  selection: Selection;
  private runs: Map<string, RunSummary> | undefined;
  private settings: Settings = new Map();
  private columns: readonly RunColumn[] = [];
  private filterText: string;
  private filter: RunFilter = { matches: () => true };
  private matching = 0;
  /** The table needs its runs again. */
  private stale = true;
  private compared: readonly string[];
  private differences: Differences | undefined;
  private comparisonHeight: number;
  private scrollTop: number;
  private keeping: ReturnType<typeof setTimeout> | undefined;
  private readonly grid: RunGrid;
  private readonly menu: ColumnMenu;
  private rows: readonly TableRow[] = [];

  constructor(
    private readonly page: Page<"runs", RunsState>,
    private readonly stage: Stage,
  ) {
    const { state } = page;
    this.table = new RunTable(state?.arrangement ?? usualArrangement);
    this.filterText = state?.filter ?? "";
    this.selection = { ...noSelection, keys: new Set(state?.selected) };
    this.compared = state?.compared ?? page.input.compare ?? [];
    this.comparisonHeight = state?.comparisonHeight ?? 260;
    this.scrollTop = state?.scrollTop ?? 0;
    this.grid = new RunGrid(this);
    this.menu = new ColumnMenu(this);
    page.host.on("runsChanged", ({ changed, removed }) => this.update(changed, removed));
    page.host.on("backendRestarted", () => this.load());
    page.host.on("inputChanged", ({ input }) => {
      const { compare } = input as { readonly compare?: readonly string[] };
      if (compare !== undefined) this.compare(compare);
    });
    addEventListener("pagehide", () => this.keepNow());
    this.load();
    if (state?.settings === true) this.readSettings();
  }

  draw(): TemplateResult {
    if (this.runs === undefined) return spinner("Reading the runs…");
    if (this.runs.size === 0)
      return emptyState(
        "No runs yet",
        "Open an experiment (a file that ends in .lathe.md) and run a cell. Every run appears here while it is active, and remains after it has ended.",
      );
    this.refresh(this.runs);
    const shown = this.table.shownColumns();
    return html`${filterBar({
        filter: this.filterText,
        setFilter: (text) => this.setFilter(text),
        group: this.table.arrangement.grouping[0],
        groupBy: (id) => {
          this.table.groupBy(id);
          this.changed();
        },
        columnMenu: this.menu.draw(this.columns),
        exportCsv: () => this.exportShown(),
      })}
      ${actionBar({
        chosen: this.selectedRuns(),
        matching: this.matching,
        all: this.runs.size,
        problem: this.filter.problem,
        compare: (runs) => this.compare(runs),
        copy: () => this.copy("rows", ""),
        openPanel: (opened) => this.ask("page.openPanel", opened),
        command: (command, runs) => this.command(command, runs),
      })}
      ${
        this.rows.length === 0
          ? emptyState(
              "No run matches the filter",
              this.filterText,
              html`<vscode-button appearance="secondary" @click=${() => this.setFilter("")}
                >Clear the filter</vscode-button
              >`,
            )
          : this.grid.draw(this.rows, shown)
      }
      ${this.comparison(this.runs)}
      <div id="grid-keys" class="hidden">
        Space selects, Shift with the arrows extends, Enter opens the charts or edits, F2 edits name, tags and
        notes, Delete moves to the trash.
      </div>`;
  }

  drawn(): void {
    const main = document.querySelector("main")!;
    this.grid.drawn(main);
    if (this.scrollTop === 0 || this.rows.length === 0) return;
    this.grid.scrollTo(this.scrollTop);
    this.scrollTop = 0;
  }

  select(selection: Selection): void {
    this.selection = selection;
    this.changed();
  }

  arranged(): void {
    this.changed();
  }

  redraw(): void {
    this.stage.redraw();
    this.keep();
  }

  star(run: RunSummary): void {
    this.annotate(run, { star: !run.star });
  }

  edit(run: RunSummary, field: EditableField, text: string): void {
    const tags = [...new Set(text.split(",").map((tag) => tag.trim()))].filter((tag) => tag !== "");
    const notes = field === "tags" ? { tags } : field === "name" ? { name: text.trim() } : { notes: text };
    const same = field === "tags" ? tags.join() === run.tags.join() : text === run[field];
    if (!same) this.annotate(run, notes);
  }

  open(runs: readonly string[]): void {
    this.ask("page.openPanel", { panel: "charts", input: { runs } });
  }

  remove(runs: readonly string[]): void {
    this.command("lathe.deleteRuns", runs);
  }

  copy(what: "cell" | "rows", cell: string): void {
    this.ask("page.copy", { text: what === "cell" ? cell : tabbed(this.lines(this.selectedRuns())) });
  }

  readSettings(): void {
    this.stage.attempt(async () => {
      const runs = [...(await this.page.host.request("runs.list", {})).runs.map(({ folder }) => folder)];
      const { keys, values } = await this.page.host.request("runs.differences", { runs });
      this.settings = new Map(
        runs.map((run, i) => [run, Object.fromEntries(keys.map((key, j) => [key, values[i]?.[j] ?? null]))]),
      );
      this.stale = true;
      this.changed();
    });
  }

  private load(): void {
    this.stage.attempt(async () => {
      const { runs } = await this.page.host.request("runs.list", {});
      this.runs = new Map(runs.map((run) => [run.folder, run]));
      this.update([], []);
      if (this.compared.length > 0) this.compare(this.compared);
    });
  }

  private update(changed: readonly RunSummary[], removed: readonly string[]): void {
    if (this.runs === undefined) return;
    for (const run of changed) this.runs.set(run.folder, run);
    for (const run of removed) this.runs.delete(run);
    this.selection = retained(this.selection, (key) => this.runs!.has(key));
    this.stale = true;
    this.stage.redraw();
  }

  private refresh(runs: ReadonlyMap<string, RunSummary>): void {
    if (this.stale) {
      this.stale = false;
      const columns = columnsOf(seenIn(runs.values(), this.settings), this.settings);
      if (columns.map(({ id }) => id).join("\n") !== this.columns.map(({ id }) => id).join("\n")) {
        this.columns = columns;
        this.table.setColumns(columns);
      }
      this.filter = parseFilter(this.filterText, this.columns);
      const matching = [...runs.values()].filter(this.filter.matches);
      this.matching = matching.length;
      this.table.setRuns(matching);
    }
    this.rows = this.table.rows();
  }

  private comparison(runs: ReadonlyMap<string, RunSummary>): TemplateResult | typeof nothing {
    const compared = this.compared.flatMap((key) => runs.get(key) ?? []);
    if (compared.length === 0) return nothing;
    return html`${splitter("Height of the comparison", this.comparisonHeight, (height) => {
        this.comparisonHeight = height;
        this.changed();
      })}
      <section class="comparison" aria-label="Comparison" style="height:${this.comparisonHeight}px">
        ${comparisonView({
          runs: compared,
          differences: compared.length === this.differences?.values.length ? this.differences : undefined,
          close: () => {
            this.compared = [];
            this.changed();
            this.grid.focusActive();
          },
          exportCsv: (rows) => this.save("comparison.csv", rows),
        })}
      </section>`;
  }

  private compare(runs: readonly string[]): void {
    this.compared = this.runs === undefined ? runs : runs.filter((run) => this.runs!.has(run));
    this.differences = undefined;
    this.changed();
    if (this.runs === undefined || this.compared.length === 0) return;
    const asked = this.compared;
    this.stage.attempt(async () => {
      const differences = await this.page.host.request("runs.differences", { runs: asked });
      if (this.compared !== asked) return;
      this.differences = differences;
      this.stage.redraw();
    });
  }

  private setFilter(text: string): void {
    this.filterText = text;
    this.stale = true;
    this.changed();
  }

  private annotate(
    run: RunSummary,
    notes: Partial<Pick<RunSummary, "name" | "tags" | "notes" | "star">>,
  ): void {
    this.stage.attempt(async () => {
      this.update([await this.page.host.request("runs.annotate", { run: run.folder, notes })], []);
    });
  }

  /** A folded group or a filter hides rows, and what is hidden is not acted upon. */
  private selectedRuns(): readonly RunSummary[] {
    return this.rows.flatMap((row) =>
      row.kind === "run" && this.selection.keys.has(row.key) ? [row.run] : [],
    );
  }

  private lines(runs: readonly RunSummary[]): CsvValue[][] {
    const columns = this.table.shownColumns();
    return [columns.map(({ title }) => title), ...runs.map((run) => columns.map(({ value }) => value(run)))];
  }

  private exportShown(): void {
    this.save("runs.csv", this.lines(this.rows.flatMap((row) => (row.kind === "run" ? [row.run] : []))));
  }

  private save(name: string, rows: readonly (readonly CsvValue[])[]): void {
    this.ask("page.save", { name, content: { text: csvOf(rows) } });
  }

  private command(command: PageCommand, runs: readonly string[]): void {
    this.ask("page.command", { command, runs });
  }

  private ask<K extends keyof PageRequests>(name: K, params: PageRequests[K]["params"]): void {
    this.stage.attempt(() => this.page.host.request(name, params));
  }

  private changed(): void {
    this.stage.redraw();
    this.keep();
  }

  /** Not at once: scrolling and dragging change it with every frame. */
  private keep(): void {
    this.keeping ??= setTimeout(() => this.keepNow(), 300);
  }

  private keepNow(): void {
    clearTimeout(this.keeping);
    this.keeping = undefined;
    this.page.keep({
      arrangement: this.table.arrangement,
      filter: this.filterText,
      selected: [...this.selection.keys],
      compared: this.compared,
      comparisonHeight: this.comparisonHeight,
      settings: this.settings.size > 0,
      scrollTop: this.grid.scrollTop,
    });
  }
}
