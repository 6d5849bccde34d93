/** The panel of all runs: what is listed, filtered, selected and compared, and what may be done with it. */
import { html, type TemplateResult } from "lit";
import type { PageCommand, PageRequests } from "../../src/protocol/page";
import type { RunsView } from "../../src/schema/savedViews";
import type { RunSummary } from "../../src/protocol/service/runs";
import { onThemeChange, readTheme } from "../kit/chartColors";
import { ContextMenu } from "../kit/contextMenu";
import { findOldest } from "../kit/runGroups";
import { createRunNames } from "../kit/runNames";
import { RunSlots } from "../kit/runSlots";
import type { Panel, Stage } from "../kit/stage";
import { renderSpinner } from "../kit/states";
import { ViewMenu } from "../kit/viewMenu";
import type { Page } from "../page";
import type { CellLook } from "./cellViews";
import { ColumnMenu } from "./columnMenu";
import { ComparisonPane } from "./comparisonPane";
import { formatCsv, type CsvValue, formatTabSeparated } from "../../src/protocol/csv";
import { createColumns, createColumnsKey, type EditableField, type RunColumn } from "./runColumns";
import { parseFilter, type RunFilter } from "../../src/protocol/runFilter";
import { ProtocolMarks } from "../../src/protocol/protocolMarks";
import { collectKeys, isRunField } from "../../src/protocol/runFields";
import { type GridPage, type MenuTarget, RunGrid } from "./runGrid";
import { openRunMenu } from "./runMenu";
import { emptySelection, retainExisting, type Selection, selectOnly, toggleKey } from "./runSelection";
import { RunTable, type TableRow, defaultArrangement } from "./runTable";
import { parseEdit } from "./parseEdit";
import { RunSettings } from "../../src/protocol/runSettings";
import { renderActionBar, renderFilterBar } from "./runsToolbar";
import { RunViews } from "../views/runViews";
import { defaultViewState, type ViewState } from "../views/viewState";
import { DelayedSave } from "../kit/delayedSave";
import type { RunsState } from "./runsState";
import { gridKeys, renderNoMatch, renderNoRuns } from "./runsTexts";
import { createRunsViewPage, type RunsLook } from "./runsView";

export class RunsPage implements Panel, GridPage {
  readonly table: RunTable;
  selection: Selection;
  private runs: Map<string, RunSummary> | undefined;
  private readonly settings: RunSettings;
  private hasSettingColumns: boolean;
  columns: readonly RunColumn[] = [];
  private columnsKey = "";
  private names: ReadonlyMap<string, string> = new Map();
  private baseline: string | undefined;
  private theme = readTheme();
  private readonly slots: RunSlots;
  private marks = new ProtocolMarks(() => []);
  private filterText: string;
  private filter: RunFilter = { matches: () => true };
  private matching: ReadonlySet<RunSummary> = new Set();
  /** The table needs its runs again. */
  private stale = true;
  private readonly comparison: ComparisonPane;
  private readonly views: RunViews;
  private readonly savedViews: ViewMenu<RunsView>;
  /** Nothing is kept of an earlier page, so the view that was shown last is shown. */
  private isNew: boolean;
  private scrollTop: number;
  private readonly saving = new DelayedSave(() => this.saveState());
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
    const attempt = (work: () => Promise<unknown>) => stage.attempt(work);
    const redraw = () => stage.redraw();
    const comparisonPage = {
      host: page.host,
      attempt,
      changed: () => this.changed(),
      save: (name: string, rows: readonly (readonly CsvValue[])[]) => this.save(name, rows),
      closed: () => {
        this.changed();
        this.grid.focusActive();
      },
    };
    const compared = state?.compared ?? page.input.compare ?? [];
    this.comparison = new ComparisonPane(comparisonPage, compared, state?.comparisonHeight);
    this.views = new RunViews({ ...defaultViewState, ...state?.view }, (before) => this.onViewChange(before));
    this.scrollTop = state?.scrollTop ?? 0;
    this.isNew = state === undefined;
    const savedView = state === undefined ? page.look.views?.runs : state.savedView;
    this.savedViews = new ViewMenu(page.host, stage, createRunsViewPage(this), savedView);
    this.grid = new RunGrid(this);
    this.menu = new ColumnMenu(this);
    page.host.on("runsChanged", ({ changed, removed }) => this.update(changed, removed));
    onThemeChange(() => {
      this.theme = readTheme();
      stage.redraw();
    });
    this.slots = new RunSlots(page.host, redraw, attempt);
    page.host.on("lookChanged", ({ baseline }) => {
      this.baseline = baseline;
      this.update([], []);
    });
    page.host.on("backendRestarted", () => this.load());
    page.host.on("inputChanged", ({ input }) => {
      const { compare } = input as { readonly compare?: readonly string[] };
      if (compare !== undefined) this.compare(compare);
    });
    this.load();
    this.settings = new RunSettings(page.host, attempt, () => this.update([], []));
    this.hasSettingColumns = state?.settings ?? false;
    if (this.hasSettingColumns || this.views.state.kind !== "table") attempt(() => this.settings.read());
    addEventListener("resize", redraw);
  }

  draw(): TemplateResult {
    if (this.runs === undefined) return renderSpinner("Reading the runs…");
    if (this.runs.size === 0) return renderNoRuns();
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
      viewMenu: this.savedViews.draw(),
      exportCsv: () => this.exportShown(),
    })}
    ${renderActionBar({
      chosen: this.getSelectedRuns(),
      views: this.views.renderTabs(),
      matching: this.matching.size,
      all: this.runs.size,
      problem: this.filter.problem,
      columns: shownColumns,
      marks: this.marks,
      compare: (runs) => this.compare(runs),
      copy: () => this.copy("rows", ""),
      openPanel: (opened) => this.request("page.openPanel", opened),
      command: (command, runs) => this.command(command, runs),
    })}
    ${this.renderView(this.runs)}
    ${
      this.rows.length === 0
        ? renderNoMatch(this.filterText, () => this.setFilter(""))
        : this.grid.draw(this.rows, shownColumns)
    }
    ${this.comparison.draw(this.runs)} ${gridKeys}`;
  }

  afterDraw(): void {
    const main = document.querySelector("main")!;
    this.grid.afterDraw(main);
    this.views.afterDraw(main);
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

  redraw(): void {
    this.changed();
  }

  star(run: RunSummary): void {
    this.annotate(run, { star: !run.star });
  }

  edit(run: RunSummary, field: EditableField, text: string): void {
    const notes = parseEdit(run, field, text);
    if (notes !== undefined) this.annotate(run, notes);
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

  openMenu(event: MouseEvent, target: MenuTarget): void {
    openRunMenu(this.contextMenu, event, target, this.getSelectedRuns(), {
      baseline: this.baseline,
      setBaseline: (pinned) => this.request("page.setBaseline", pinned === undefined ? {} : { run: pinned }),
      sort: (id, isDescending) => {
        this.table.setSorting(id, isDescending);
        this.changed();
      },
      hideColumn: (id) => {
        this.table.show(id, false);
        this.changed();
      },
      filterBy: (term) => this.setFilter(`${this.filterText} ${term}`.trim()),
      compare: (compared) => this.compare(compared),
      openPanel: (opened) => this.request("page.openPanel", opened),
      command: (command, folders) => this.command(command, folders),
      edit: (edited, field) => this.grid.beginEditing(edited, field),
      star: (starred) => this.star(starred),
      copy: (what, cell) => this.copy(what, cell),
      focusGrid: () => this.grid.focusActive(),
    });
  }

  /** As columns of the table too. */
  readSettings(): void {
    this.hasSettingColumns = true;
    this.stage.attempt(async () => {
      for (const key of await this.settings.read()) if (isRunField(key)) this.table.show(key, true);
      this.changed();
    });
  }

  private load(): void {
    this.stage.attempt(async () => {
      const [{ runs }, { baseline }] = await Promise.all([
        this.page.host.request("runs.list", {}),
        this.page.host.request("page.look", {}),
        this.savedViews.load(),
      ]);
      this.baseline = baseline;
      if (this.isNew) this.savedViews.restore();
      this.isNew = false;
      this.runs = new Map(runs.map((run) => [run.folder, run]));
      this.update([], []);
      if (this.comparison.compared.length > 0) this.compare(this.comparison.compared);
    });
  }

  applyLook({ arrangement, filter, settings, view }: RunsLook): void {
    this.table.arrange(arrangement);
    this.hasSettingColumns = settings;
    if (settings) this.stage.attempt(() => this.settings.read());
    this.views.change({ ...view, height: this.views.state.height, axis: undefined });
    this.setFilter(filter);
  }

  getLook(): RunsLook {
    const { filterText: filter, hasSettingColumns: settings, views } = this;
    return { arrangement: this.table.arrangement, filter, settings, view: views.state };
  }

  private update(changed: readonly RunSummary[], removed: readonly string[]): void {
    if (this.runs === undefined) return;
    for (const run of changed) this.runs.set(run.folder, run);
    for (const run of removed) this.runs.delete(run);
    this.settings.update(changed);
    this.selection = retainExisting(this.selection, (key) => this.runs!.has(key));
    this.stale = true;
    this.stage.redraw();
  }

  private refresh(runs: ReadonlyMap<string, RunSummary>): void {
    if (this.stale) {
      this.stale = false;
      const baseline = this.baseline === undefined ? undefined : runs.get(this.baseline);
      const { hasSettingColumns: areColumns, settings } = this;
      const keys = collectKeys(runs.values(), settings.values);
      const columns = createColumns(keys, settings.values, { baseline, areColumns });
      this.names = createRunNames([...runs.values()]);
      const columnsKey = createColumnsKey(columns, baseline);
      if (columnsKey !== this.columnsKey) {
        this.columns = columns;
        this.columnsKey = columnsKey;
        this.table.setColumns(columns);
      }
      settings.readFor((this.filter = parseFilter(this.filterText, this.columns)).problem);
      const matching = [...runs.values()].filter(this.filter.matches);
      this.matching = new Set(matching);
      this.marks = new ProtocolMarks(() => [...runs.values()], matching);
      this.table.setRuns(matching, this.marks);
    }
    this.rows = this.table.rows();
  }

  private compare(runs: readonly string[]): void {
    this.comparison.compare(runs, this.runs);
  }

  private renderView(runs: ReadonlyMap<string, RunSummary>): ReturnType<RunViews["draw"]> {
    const { slots, theme, names, stage, columns } = this;
    if (this.views.state.kind === "scatter") slots.request([...this.matching].map(({ folder }) => folder));
    return this.views.draw({
      host: this.page.host,
      stage,
      columns,
      all: runs,
      matching: this.matching,
      names,
      filter: this.filterText,
      setFilter: (text) => this.setFilter(text),
      selected: this.selection.keys,
      select: (run, add) => {
        this.select(add ? toggleKey(this.selection, run) : selectOnly(run));
        this.grid.reveal(run);
      },
      open: (opened) => this.open(opened),
      getSlot: (run) => slots.get(run),
      theme,
    });
  }

  /** Settings that no sweep assigns are read once a view is opened. */
  private onViewChange(before: ViewState): void {
    const { kind } = this.views.state;
    if (before.kind === "table" && kind !== "table") this.stage.attempt(() => this.settings.read());
    this.changed();
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

  changed(): void {
    this.stage.redraw();
    this.saving.request();
  }

  private saveState(): void {
    const { name: savedView } = this.savedViews;
    this.page.keep({
      ...this.getLook(),
      ...(savedView === undefined ? {} : { savedView }),
      selected: [...this.selection.keys],
      compared: this.comparison.compared,
      comparisonHeight: this.comparison.height,
      scrollTop: this.grid.scrollTop,
    });
  }
}
