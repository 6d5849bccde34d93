/**
 * The table of runs on the screen: an ARIA grid of which only the rows in sight exist. It knows where the focus is and what is
 * being edited; what is selected and how rows are arranged belongs to the page.
 */
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import { html, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { RunSummary } from "../../src/protocol/service/runs";
import { CellEditor } from "./cellEditor";
import type { CellLook } from "./cellViews";
import { getPinnedClass } from "./columnStyle";
import { renderHeader } from "./gridHeader";
import { renderGroupRow, renderRunRow } from "./gridRows";
import { findTarget, type KeyAction, getKeyNames, type GridPosition, clampPosition } from "./gridKeys";
import type { EditableField } from "./runColumns";
import { extendTo, emptySelection, selectAll, type Selection, selectOnly, toggleKey } from "./runSelection";
import type { RunTable, ShownColumn, TableRow } from "./runTable";

export const rowHeight = 28;
export const headHeight = 32;
/** Rows drawn beyond what is in sight. */
const overscan = 8;

/** What the grid requires of its page. */
export interface GridPage {
  readonly table: RunTable;
  readonly selection: Selection;
  readonly look: CellLook;
  select(selection: Selection): void;
  /** The arrangement has changed: draw, and keep it. */
  changed(): void;
  redraw(): void;
  edit(run: RunSummary, field: EditableField, text: string): void;
  star(run: RunSummary): void;
  open(runs: readonly string[]): void;
  remove(runs: readonly string[]): void;
  copy(what: "cell" | "rows", cell: string): void;
  /** Called with the rows in sight. */
  prepareLook(rows: readonly TableRow[]): void;
  openMenu(event: MouseEvent, target: MenuTarget): void;
}

/** What a menu of the table is about: a column, or runs of which one is current. */
export interface MenuTarget {
  readonly column: ShownColumn | undefined;
  readonly run?: RunSummary;
  readonly runs?: readonly string[];
}

export class RunGrid {
  private rows: readonly TableRow[] = [];
  private columns: readonly ShownColumn[] = [];
  private active: GridPosition = { row: 1, column: 1 };
  private activeKey: string | undefined;
  private isFocusRequested = false;
  /** Whether the table had the keyboard focus before it was redrawn. */
  private wasFocused = false;
  private slots = 0;
  private readonly editor: CellEditor;
  private readonly virtualizer: Virtualizer<HTMLElement, HTMLElement>;
  private scroller: HTMLElement | null = null;

  constructor(private readonly page: GridPage) {
    this.editor = new CellEditor({
      commit: (run, field, text) => page.edit(run, field, text),
      closed: () => this.focusActive(),
    });
    this.virtualizer = new Virtualizer(this.createVirtualizerOptions());
    this.virtualizer._didMount();
  }

  draw(rows: readonly TableRow[], columns: readonly ShownColumn[]): TemplateResult {
    this.rows = rows;
    this.columns = columns;
    this.restoreActive();
    this.virtualizer.setOptions(this.createVirtualizerOptions());
    this.wasFocused = this.scroller?.contains(document.activeElement) === true;
    const items = this.virtualizer.getVirtualItems().filter(({ index }) => index < rows.length);
    const width = columns.reduce((sum, { pixels }) => sum + pixels, 0);
    const isGrouped = this.page.table.arrangement.grouping.length > 0;
    return html`<div
      class="grid"
      role=${isGrouped ? "treegrid" : "grid"}
      aria-label="Runs"
      aria-multiselectable="true"
      aria-rowcount=${rows.length + 1}
      aria-colcount=${columns.length}
      aria-describedby="grid-keys"
      @keydown=${(event: KeyboardEvent) => this.onKey(event)}
      @mousedown=${(event: MouseEvent) => this.onMouse(event)}
      @dblclick=${(event: MouseEvent) => this.onDoubleClick(event)}
      @contextmenu=${(event: MouseEvent) => this.onContextMenu(event)}
    >
      ${renderHeader(columns, {
        width,
        active: this.active.row === 0 ? this.active.column : undefined,
        sort: (id, add) => {
          this.page.table.sortBy(id, add);
          this.page.changed();
        },
        resize: (id, pixels) => {
          this.page.table.resize(id, pixels);
          this.page.changed();
        },
      })}
      <div class="body" role="rowgroup" style="height:${this.virtualizer.getTotalSize()}px;width:${width}px">
        ${repeat(
          items,
          ({ index }) => this.getSlot(index, items.length),
          ({ index, start }) => this.renderRow(rows[index]!, index, start),
        )}
      </div>
    </div>`;
  }

  /** After each drawing. */
  afterDraw(root: ParentNode): void {
    this.scroller = root.querySelector<HTMLElement>(".grid");
    this.virtualizer._willUpdate();
    this.page.prepareLook(this.virtualizer.getVirtualItems().flatMap(({ index }) => this.rows[index] ?? []));
    // A row that is drawn by another element now takes the focus along.
    if (this.editor.afterDraw(root) || !(this.isFocusRequested || this.wasFocused)) return;
    const cell = root.querySelector<HTMLElement>(
      `[data-row="${this.active.row}"][data-column="${this.active.column}"]`,
    );
    const focusTarget = cell ?? root.querySelector<HTMLElement>(`[data-row="${this.active.row}"]`);
    if (focusTarget === null) return;
    if (document.activeElement !== focusTarget) focusTarget.focus({ preventScroll: true });
    if (this.isFocusRequested) this.revealColumn(focusTarget);
    this.isFocusRequested = false;
  }

  /** Puts the keyboard onto the table, as after an action of the toolbar. */
  focusActive(): void {
    this.isFocusRequested = true;
    this.page.redraw();
  }

  /** Scrolls to a run that something else than the table selected; the focus stays where it is. */
  reveal(key: string): void {
    const index = this.rows.findIndex((row) => row.key === key);
    if (index >= 0) this.virtualizer.scrollToIndex(index, { align: "auto" });
  }

  get scrollTop(): number {
    return this.scroller?.scrollTop ?? 0;
  }

  scrollTo(pixels: number): void {
    this.virtualizer.scrollToOffset(pixels);
  }

  /**
   * Elements of rows that leave one end are used again at the other, which is far cheaper than making new ones. The row
   * with the focus has an element of its own while it is out of sight.
   */
  private getSlot(index: number, visibleCount: number): string | number {
    this.slots = Math.max(this.slots, visibleCount);
    const { range } = this.virtualizer;
    const isInSight =
      range === null || (index >= range.startIndex - overscan && index <= range.endIndex + overscan);
    return isInSight ? index % this.slots : "away";
  }

  private renderRow(row: TableRow, index: number, start: number): TemplateResult {
    const isActive = this.active.row === index + 1;
    const place = {
      index,
      start,
      columns: this.columns,
      activeColumn: isActive ? this.active.column : undefined,
    };
    const { look } = this.page;
    if (row.kind === "group") {
      const grouped = this.page.table.arrangement.grouping[0];
      const groupTitle = this.columns.find(({ id }) => id === grouped)?.title ?? "Group";
      return renderGroupRow(row, { ...place, groupTitle, look });
    }
    return renderRunRow(row, {
      ...place,
      level: this.page.table.arrangement.grouping.length > 0 ? 2 : undefined,
      isSelected: this.page.selection.keys.has(row.key),
      editor: this.editor,
      look,
    });
  }

  private onKey(event: KeyboardEvent): void {
    const actions = this.getKeyActions();
    const action = getKeyNames(event).flatMap((name) => actions[name] ?? [])[0];
    if (action === undefined) {
      this.navigate(event);
      return;
    }
    // Escape also closes what VS Code has open around the page.
    if (event.key !== "Escape") event.preventDefault();
    action(event);
  }

  /** What each key does where the focus is. The other keys move the focus. */
  private getKeyActions(): Readonly<Record<string, KeyAction>> {
    const { page } = this;
    const row = this.rows[this.active.row - 1];
    const column = this.columns[this.active.column];
    const commonActions: Readonly<Record<string, KeyAction>> = {
      "Mod+a": () => page.select(selectAll(this.getRunKeys())),
      Escape: () => page.select(emptySelection),
    };
    if (row?.kind === "group") {
      const expand = (expanded: boolean) => {
        page.table.expand(row.key, expanded);
        page.changed();
      };
      const toggleGroup = () => expand(!row.expanded);
      return {
        ...commonActions,
        Enter: toggleGroup,
        " ": toggleGroup,
        ArrowRight: () => expand(true),
        ArrowLeft: () => expand(false),
      };
    }
    if (column === undefined) return commonActions;
    if (row?.kind === "run")
      return {
        ...commonActions,
        "Mod+c": () => page.copy(page.selection.keys.size > 1 ? "rows" : "cell", column.text(row.run)),
        " ": () => page.select(toggleKey(page.selection, row.key)),
        Delete: () => page.remove(this.getTargetRuns(row.key)),
        Enter: () => this.activateCell(row.run, column),
        F2: () => this.beginEditing(row.run, column.edits ?? "name"),
      };
    const sort = ({ shiftKey }: KeyboardEvent) => {
      page.table.sortBy(column.id, shiftKey);
      page.changed();
    };
    const resizeBy = (pixels: number) => {
      page.table.resize(column.id, column.pixels + pixels);
      page.changed();
    };
    return {
      ...commonActions,
      Enter: sort,
      " ": sort,
      "Alt+ArrowRight": () => resizeBy(16),
      "Alt+ArrowLeft": () => resizeBy(-16),
    };
  }

  private navigate(event: KeyboardEvent): void {
    const extent = { rows: this.rows.length, columns: this.columns.length, page: this.countPageRows() };
    const next = findTarget(this.active, event, extent);
    if (next === undefined) return;
    event.preventDefault();
    const row = this.rows[this.active.row - 1];
    this.moveTo(next);
    const target = this.rows[next.row - 1];
    if (!event.shiftKey || target?.kind !== "run" || row?.kind !== "run") return;
    // From where the focus was, unless a range is being extended from elsewhere.
    const { selection } = this.page;
    const from = selection.keys.has(row.key) ? selection : selectOnly(row.key);
    this.page.select(extendTo(from, target.key, this.getRunKeys()));
  }

  private onMouse(event: MouseEvent): void {
    const cell = (event.target as Element).closest<HTMLElement>("[data-row]");
    if (cell === null || event.button !== 0 || cell.classList.contains("editing")) return;
    const at = { row: Number(cell.dataset.row), column: Number(cell.dataset.column ?? 0) };
    // The header sorts on a click of its own, after a resize has had its chance.
    if (at.row === 0) return;
    const row = this.rows[at.row - 1];
    this.moveTo(at);
    if (row?.kind === "group") {
      this.page.table.expand(row.key, !row.expanded);
      this.page.changed();
    } else if (row !== undefined && this.columns[at.column]?.id === "star") {
      this.page.star(row.run);
    } else if (row !== undefined) {
      const { selection } = this.page;
      if (event.shiftKey) {
        event.preventDefault();
        this.page.select(extendTo(selection, row.key, this.getRunKeys()));
      } else if (event.ctrlKey || event.metaKey) this.page.select(toggleKey(selection, row.key));
      else this.page.select(selectOnly(row.key));
    }
  }

  /** On a row that is not selected, the menu is about that row alone, which is then the current one. */
  private onContextMenu(event: MouseEvent): void {
    const cell = (event.target as Element).closest<HTMLElement>("[data-row]");
    if (cell === null || cell.classList.contains("editing")) return;
    const at = { row: Number(cell.dataset.row), column: Number(cell.dataset.column ?? 0) };
    const [row, column] = [this.rows[at.row - 1], this.columns[at.column]];
    if (at.row > 0) this.setActive(at);
    if (row?.kind === "run") {
      if (!this.page.selection.keys.has(row.key)) this.page.select(selectOnly(row.key));
      this.page.openMenu(event, { run: row.run, column, runs: this.getTargetRuns(row.key) });
    } else if (at.row === 0 && column !== undefined) this.page.openMenu(event, { column });
    else event.preventDefault();
  }

  /** Starts editing one of the run's own fields in its cell. */
  beginEditing(run: RunSummary, field: EditableField): void {
    this.editor.begin(run, field);
    this.page.redraw();
  }

  private onDoubleClick(event: MouseEvent): void {
    const cell = (event.target as Element).closest<HTMLElement>("[data-column]");
    const row = this.rows[Number(cell?.dataset.row) - 1];
    const column = this.columns[Number(cell?.dataset.column)];
    if (row?.kind === "run" && column !== undefined && column.id !== "star")
      this.activateCell(row.run, column);
  }

  /** What Enter and a double click do with a cell: edit it, else open the runs. */
  private activateCell(run: RunSummary, column: ShownColumn): void {
    if (column.id === "star") this.page.star(run);
    else if (column.edits !== undefined) this.beginEditing(run, column.edits);
    else this.page.open(this.getTargetRuns(run.folder));
  }

  /** The selected rows where this is one of them, else the row alone; never a run that no row shows. */
  private getTargetRuns(key: string): readonly string[] {
    const { keys } = this.page.selection;
    return keys.has(key) ? this.getRunKeys().filter((each) => keys.has(each)) : [key];
  }

  private setActive(at: GridPosition): void {
    this.active = at;
    this.activeKey = this.rows[at.row - 1]?.key;
  }

  private moveTo(at: GridPosition): void {
    this.setActive(at);
    if (at.row > 0) this.virtualizer.scrollToIndex(at.row - 1, { align: "auto" });
    this.focusActive();
  }

  /** The focus stays with its run, wherever sorting and filtering put it. */
  private restoreActive(): void {
    const extent = { rows: this.rows.length, columns: this.columns.length, page: 1 };
    const { row, column } = this.active;
    const isUnmoved = row === 0 || this.rows[row - 1]?.key === this.activeKey;
    const rowIndex = isUnmoved ? row - 1 : this.rows.findIndex(({ key }) => key === this.activeKey);
    this.active = clampPosition(rowIndex < 0 ? row : rowIndex + 1, column, extent);
    this.activeKey = this.rows[this.active.row - 1]?.key;
  }

  private getRunKeys(): string[] {
    return this.rows.flatMap((row) => (row.kind === "run" ? [row.key] : []));
  }

  private countPageRows(): number {
    return Math.max(1, Math.floor(((this.scroller?.clientHeight ?? 0) - headHeight) / rowHeight) - 1);
  }

  /** The pinned columns lie over what scrolls below them. */
  private revealColumn(cell: HTMLElement): void {
    const { scroller } = this;
    if (scroller === null || cell.dataset.column === undefined || /\bpinned\b/.test(cell.className)) return;
    const pinnedWidth = this.columns.reduce(
      (sum, column) => sum + (getPinnedClass(column) === "" ? 0 : column.pixels),
      0,
    );
    const [left, right] = [cell.offsetLeft, cell.offsetLeft + cell.offsetWidth];
    if (left < scroller.scrollLeft + pinnedWidth) scroller.scrollLeft = left - pinnedWidth;
    else if (right > scroller.scrollLeft + scroller.clientWidth)
      scroller.scrollLeft = right - scroller.clientWidth;
  }

  private createVirtualizerOptions(): VirtualizerOptions {
    return {
      count: this.rows.length,
      getScrollElement: () => this.scroller,
      estimateSize: () => rowHeight,
      getItemKey: (index: number) => this.rows[index]?.key ?? index,
      scrollPaddingEnd: headHeight,
      overscan,
      // The row with the focus always exists, or the keyboard would lose its place.
      rangeExtractor: ({ startIndex, endIndex, count }) => {
        const [from, to] = [Math.max(0, startIndex - overscan), Math.min(count - 1, endIndex + overscan)];
        const indices = Array.from({ length: to - from + 1 }, (_, i) => from + i);
        const active = this.active.row - 1;
        if (active < 0 || active >= count || (active >= from && active <= to)) return indices;
        return active < from ? [active, ...indices] : [...indices, active];
      },
      scrollToFn: elementScroll,
      observeElementRect,
      observeElementOffset,
      onChange: () => this.page.redraw(),
    };
  }
}

type VirtualizerOptions = ConstructorParameters<typeof Virtualizer<HTMLElement, HTMLElement>>[0];
