/** The panel of all runs: what is listed, filtered, selected and compared, and what may be done with it. */
import { html, nothing, type TemplateResult } from "lit";
import type { PageCommand, PageRequests } from "../../src/protocol/page";
import type { RunSummary } from "../../src/protocol/service/runs";
import { onThemeChange, readTheme } from "../kit/chartColors";
import { ContextMenu } from "../kit/contextMenu";
import { findOldest } from "../kit/runGroups";
import { createRunNames } from "../kit/runNames";
import { RunSlots } from "../kit/runSlots";
import type { Panel, Stage } from "../kit/stage";
import { renderEmptyState, renderSpinner } from "../kit/states";
import type { Page } from "../page";
import type { CellLook } from "./cellViews";
import { ColumnMenu } from "./columnMenu";
import { renderComparison, type Differences } from "./comparison";
import { formatCsv, type CsvValue, formatTabSeparated } from "../../src/protocol/csv";
import { createColumns, type EditableField, type RunColumn } from "./runColumns";
import { parseFilter, type RunFilter } from "../../src/protocol/runFilter";
import { ProtocolMarks } from "../../src/protocol/protocolMarks";
import { collectKeys, isRunField, type Settings } from "../../src/protocol/runFields";
import { type GridPage, type MenuTarget, RunGrid } from "./runGrid";
import { createColumnMenu, createRunMenu } from "./runMenu";
import { emptySelection, retainExisting, type Selection } from "./runSelection";
import { type Arrangement, RunTable, type TableRow, defaultArrangement } from "./runTable";
import { renderActionBar, renderFilterBar } from "./runsToolbar";
import { renderSplitter } from "./splitter";

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
  private columnsKey = "";
  private names: ReadonlyMap<string, string> = new Map();
  private baseline: string | undefined;
  private theme = readTheme();
  private readonly slots: RunSlots;
  private marks = new ProtocolMarks(() => []);
  private filterText: string;
  private filter: RunFilter = { matches: () => true };
  private matching = 0;
  /** The table needs its runs again. */
  private stale = true;
  private compared: readonly string[];
  private differences: Differences | undefined;
  private comparisonHeight: number;
  private scrollTop: number;
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly grid: RunGrid;
  private readonly menu: ColumnMenu;
  private readonly contextMenu = new ContextMenu();
  private rows: readonly TableRow[] = [];

  constructor(
    private readonly page: Page<"runs", RunsState>,
    private readonly stage: Stage,
  ) {
    const { state } = page;
    this.table = new RunTable(state?.arrangement ?? defaultArrangement);
    this.filterText = state?.filter ?? "";
    this.selection = { ...emptySelection, keys: new Set(state?.selected) };
    this.compared = state?.compared ?? page.input.compare ?? [];
    this.comparisonHeight = state?.comparisonHeight ?? 260;
    this.scrollTop = state?.scrollTop ?? 0;
    this.grid = new RunGrid(this);
    this.menu = new ColumnMenu(this);
    page.host.on("runsChanged", ({ changed, removed }) => this.update(changed, removed));
    onThemeChange(() => {
      this.theme = readTheme();
      stage.redraw();
    });
    this.slots = new RunSlots(
      page.host,
      () => stage.redraw(),
      (work) => stage.attempt(work),
    );
    page.host.on("lookChanged", ({ baseline }) => {
      this.baseline = baseline;
      this.update([], []);
    });
    page.host.on("backendRestarted", () => this.load());
    page.host.on("inputChanged", ({ input }) => {
      const { compare } = input as { readonly compare?: readonly string[] };
      if (compare !== undefined) this.compare(compare);
    });
    addEventListener("pagehide", () => this.saveStateNow());
    this.load();
    if (state?.settings === true) this.readSettings();
  }

  draw(): TemplateResult {
    if (this.runs === undefined) return renderSpinner("Reading the runs…");
    if (this.runs.size === 0)
      return renderEmptyState(
        "No runs yet",
        "Open an experiment (a file that ends in .lathe.md) and run a cell. Every run appears here while it is active, and remains after it has ended.",
      );
    this.refresh(this.runs);
    const shownColumns = this.table.getShownColumns();
    return html`${renderFilterBar({
        filter: this.filterText,
        setFilter: (text) => this.setFilter(text),
        group: this.table.arrangement.grouping[0],
        columns: this.columns,
        groupBy: (id) => {
          this.table.groupBy(id);
          this.changed();
        },
        columnMenu: this.menu.draw(this.columns),
        exportCsv: () => this.exportShown(),
      })}
      ${renderActionBar({
        chosen: this.getSelectedRuns(),
        matching: this.matching,
        all: this.runs.size,
        problem: this.filter.problem,
        columns: shownColumns,
        marks: this.marks,
        compare: (runs) => this.compare(runs),
        copy: () => this.copy("rows", ""),
        openPanel: (opened) => this.request("page.openPanel", opened),
        command: (command, runs) => this.command(command, runs),
      })}
      ${
        this.rows.length === 0
          ? renderEmptyState(
              "No run matches the filter",
              this.filterText,
              html`<vscode-button appearance="secondary" @click=${() => this.setFilter("")}
                >Clear the filter</vscode-button
              >`,
            )
          : this.grid.draw(this.rows, shownColumns)
      }
      ${this.renderComparison(this.runs)}
      <div id="grid-keys" class="hidden">
        Space selects, Shift with the arrows extends, Enter opens the charts or edits, F2 edits name, tags and
        notes, Delete moves to the trash.
      </div>`;
  }

  afterDraw(): void {
    const main = document.querySelector("main")!;
    this.grid.afterDraw(main);
    if (this.scrollTop === 0 || this.rows.length === 0) return;
    this.grid.scrollTo(this.scrollTop);
    this.scrollTop = 0;
  }

  get look(): CellLook {
    const { names, baseline, slots, theme, marks } = this;
    return { names, baseline, theme, marks, getSlot: (run) => slots.get(run) };
  }

  prepareLook(rows: readonly TableRow[]): void {
    this.slots.request(rows.map((row) => (row.kind === "run" ? row.key : findOldest(row.runs).folder)));
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
    this.scheduleSave();
  }

  star(run: RunSummary): void {
    this.annotate(run, { star: !run.star });
  }

  edit(run: RunSummary, field: EditableField, text: string): void {
    const tags = [...new Set(text.split(",").map((tag) => tag.trim()))].filter((tag) => tag !== "");
    const notes = field === "tags" ? { tags } : field === "name" ? { name: text.trim() } : { notes: text };
    const isUnchanged = field === "tags" ? tags.join() === run.tags.join() : text === run[field];
    if (!isUnchanged) this.annotate(run, notes);
  }

  open(runs: readonly string[]): void {
    this.request("page.openPanel", { panel: "charts", input: { runs } });
  }

  remove(runs: readonly string[]): void {
    this.command("lathe.deleteRuns", runs);
  }

  copy(what: "cell" | "rows", cell: string): void {
    this.request("page.copy", {
      text: what === "cell" ? cell : formatTabSeparated(this.createRows(this.getSelectedRuns())),
    });
  }

  openMenu(event: MouseEvent, { run, runs, column }: MenuTarget): void {
    const page = {
      baseline: this.baseline,
      setBaseline: (pinned: string | undefined) =>
        this.request("page.setBaseline", pinned === undefined ? {} : { run: pinned }),
      sort: (id: string, isDescending: boolean) => {
        this.table.setSorting(id, isDescending);
        this.changed();
      },
      hideColumn: (id: string) => {
        this.table.show(id, false);
        this.changed();
      },
      filterBy: (term: string) => this.setFilter(`${this.filterText} ${term}`.trim()),
      compare: (compared: readonly string[]) => this.compare(compared),
      openPanel: (opened: PageRequests["page.openPanel"]["params"]) => this.request("page.openPanel", opened),
      command: (command: PageCommand, folders: readonly string[]) => this.command(command, folders),
      edit: (edited: RunSummary, field: EditableField) => this.grid.beginEditing(edited, field),
      star: (starred: RunSummary) => this.star(starred),
      copy: (what: "cell" | "rows", cell: string) => this.copy(what, cell),
    };
    const focusGrid = () => this.grid.focusActive();
    if (run === undefined) {
      if (column !== undefined)
        this.contextMenu.open(event, column.title, createColumnMenu(column, page), focusGrid);
    } else {
      const target = { run, column, ...(runs === undefined ? {} : { runs }) };
      this.contextMenu.open(event, run.name, createRunMenu(target, this.getSelectedRuns(), page), focusGrid);
    }
  }

  readSettings(): void {
    this.stage.attempt(async () => {
      const runs = [...(await this.page.host.request("runs.list", {})).runs.map(({ folder }) => folder)];
      const { keys, values } = await this.page.host.request("runs.differences", { runs });
      this.settings = new Map(
        runs.map((run, i) => [run, Object.fromEntries(keys.map((key, j) => [key, values[i]?.[j] ?? null]))]),
      );
      for (const key of keys) if (isRunField(key)) this.table.show(key, true);
      this.stale = true;
      this.changed();
    });
  }

  private load(): void {
    this.stage.attempt(async () => {
      const [{ runs }, { baseline }] = await Promise.all([
        this.page.host.request("runs.list", {}),
        this.page.host.request("page.look", {}),
      ]);
      this.baseline = baseline;
      this.runs = new Map(runs.map((run) => [run.folder, run]));
      this.update([], []);
      if (this.compared.length > 0) this.compare(this.compared);
    });
  }

  private update(changed: readonly RunSummary[], removed: readonly string[]): void {
    if (this.runs === undefined) return;
    for (const run of changed) this.runs.set(run.folder, run);
    for (const run of removed) this.runs.delete(run);
    this.selection = retainExisting(this.selection, (key) => this.runs!.has(key));
    this.stale = true;
    this.stage.redraw();
  }

  private refresh(runs: ReadonlyMap<string, RunSummary>): void {
    if (this.stale) {
      this.stale = false;
      const baseline = this.baseline === undefined ? undefined : runs.get(this.baseline);
      const columns = createColumns(collectKeys(runs.values(), this.settings), this.settings, baseline);
      this.names = createRunNames([...runs.values()]);
      // The differences are to values of the baseline.
      const columnsKey = JSON.stringify([columns.map(({ id }) => id), baseline?.folder, baseline?.metrics]);
      if (columnsKey !== this.columnsKey) {
        this.columns = columns;
        this.columnsKey = columnsKey;
        this.table.setColumns(columns);
      }
      this.filter = parseFilter(this.filterText, this.columns);
      const matching = [...runs.values()].filter(this.filter.matches);
      this.matching = matching.length;
      this.marks = new ProtocolMarks(() => [...runs.values()], matching);
      this.table.setRuns(matching, this.marks);
    }
    this.rows = this.table.rows();
  }

  private renderComparison(runs: ReadonlyMap<string, RunSummary>): TemplateResult | typeof nothing {
    const compared = this.compared.flatMap((key) => runs.get(key) ?? []);
    if (compared.length === 0) return nothing;
    return html`${renderSplitter("Height of the comparison", this.comparisonHeight, (height) => {
        this.comparisonHeight = height;
        this.changed();
      })}
      <section class="comparison" aria-label="Comparison" style="height:${this.comparisonHeight}px">
        ${renderComparison({
          runs: compared,
          getAll: () => [...runs.values()],
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
    const requested = this.compared;
    this.stage.attempt(async () => {
      const differences = await this.page.host.request("runs.differences", { runs: requested });
      if (this.compared !== requested) return;
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
  private getSelectedRuns(): readonly RunSummary[] {
    return this.rows.flatMap((row) =>
      row.kind === "run" && this.selection.keys.has(row.key) ? [row.run] : [],
    );
  }

  private createRows(runs: readonly RunSummary[]): CsvValue[][] {
    const columns = this.table.getShownColumns();
    return [columns.map(({ title }) => title), ...runs.map((run) => columns.map(({ value }) => value(run)))];
  }

  private exportShown(): void {
    this.save("runs.csv", this.createRows(this.rows.flatMap((row) => (row.kind === "run" ? [row.run] : []))));
  }

  private save(name: string, rows: readonly (readonly CsvValue[])[]): void {
    this.request("page.save", { name, content: { text: formatCsv(rows) } });
  }

  private command(command: PageCommand, runs: readonly string[]): void {
    this.request("page.command", { command, runs });
  }

  private request<K extends keyof PageRequests>(name: K, params: PageRequests[K]["params"]): void {
    this.stage.attempt(() => this.page.host.request(name, params));
  }

  private changed(): void {
    this.stage.redraw();
    this.scheduleSave();
  }

  /** Not at once: scrolling and dragging change it with every frame. */
  private scheduleSave(): void {
    this.saveTimer ??= setTimeout(() => this.saveStateNow(), 300);
  }

  private saveStateNow(): void {
    clearTimeout(this.saveTimer);
    this.saveTimer = undefined;
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
