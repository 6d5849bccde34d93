/**
 * The table of runs on the screen: an ARIA grid of which only the rows in sight exist. It knows where the focus is and what is
 * being edited; what is selected and how rows are arranged belongs to the page.
 */
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { RunSummary } from "../../src/protocol/service/runs";
import { pluralize } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";
import { CellEditor } from "./cellEditor";
import { getCellTitle, renderCell } from "./cellViews";
import { getCellStyle, getPinnedClass } from "./columnStyle";
import { renderHeader } from "./gridHeader";
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
  select(selection: Selection): void;
  /** The arrangement has changed: draw, and keep it. */
  arranged(): void;
  redraw(): void;
  edit(run: RunSummary, field: EditableField, text: string): void;
  star(run: RunSummary): void;
  open(runs: readonly string[]): void;
  remove(runs: readonly string[]): void;
  copy(what: "cell" | "rows", cell: string): void;
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
    >
      ${renderHeader(columns, {
        width,
        active: this.active.row === 0 ? this.active.column : undefined,
        sort: (id, add) => {
          this.page.table.sortBy(id, add);
          this.page.arranged();
        },
        resize: (id, pixels) => {
          this.page.table.resize(id, pixels);
          this.page.arranged();
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
    const at = index + 1;
    const isActive = this.active.row === at;
    if (row.kind === "group")
      return html`<div
        class="row group"
        role="row"
        aria-rowindex=${at + 1}
        aria-level="1"
        aria-expanded=${row.expanded}
        style="transform:translateY(${start}px)"
      >
        <div
          role="gridcell"
          class="cell"
          aria-colindex="1"
          aria-colspan=${this.columns.length}
          data-row=${at}
          tabindex=${isActive ? 0 : -1}
        >
          <span class="inside"
            >${row.expanded ? icons.down : icons.right}<b>${row.label}</b>
            <span class="muted">${pluralize(row.runs, "run")}</span></span
          >
        </div>
      </div>`;
    const selected = this.page.selection.keys.has(row.key);
    return html`<div
      class=${selected ? "row selected" : "row"}
      role="row"
      aria-rowindex=${at + 1}
      aria-level=${this.page.table.arrangement.grouping.length > 0 ? 2 : nothing}
      aria-selected=${selected}
      style="transform:translateY(${start}px)"
    >
      ${this.columns.map((column, i) => {
        const editing = this.editor.isEditing(row.key, column.edits);
        return html`<div
          role="gridcell"
          class="cell ${column.numeric ? "number" : ""} ${getPinnedClass(column)} ${editing ? "editing" : ""}"
          style=${getCellStyle(this.columns, i)}
          aria-colindex=${i + 1}
          data-row=${at}
          data-column=${i}
          tabindex=${isActive && this.active.column === i ? 0 : -1}
          title=${editing ? nothing : getCellTitle(row.run, column)}
        >
          ${editing ? this.editor.render() : renderCell(row.run, column)}
        </div>`;
      })}
    </div>`;
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
        page.arranged();
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
        Enter: () => this.activateCell(row.run, column, false),
        F2: () => this.activateCell(row.run, column, true),
      };
    const sort = ({ shiftKey }: KeyboardEvent) => {
      page.table.sortBy(column.id, shiftKey);
      page.arranged();
    };
    const resizeBy = (pixels: number) => {
      page.table.resize(column.id, column.pixels + pixels);
      page.arranged();
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
      this.page.arranged();
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

  private onDoubleClick(event: MouseEvent): void {
    const cell = (event.target as Element).closest<HTMLElement>("[data-column]");
    const row = this.rows[Number(cell?.dataset.row) - 1];
    const column = this.columns[Number(cell?.dataset.column)];
    if (row?.kind === "run" && column !== undefined && column.id !== "star")
      this.activateCell(row.run, column, false);
  }

  /** What Enter, F2 and a double click do with a cell: edit it, else open the runs. */
  private activateCell(run: RunSummary, column: ShownColumn, editOnly: boolean): void {
    if (column.id === "star") this.page.star(run);
    else if (column.edits !== undefined) {
      this.editor.begin(run, column.edits);
      this.page.redraw();
    } else if (!editOnly) this.page.open(this.getTargetRuns(run.folder));
  }

  /** The selection where it holds the run, else the run alone. */
  private getTargetRuns(key: string): readonly string[] {
    return this.page.selection.keys.has(key) ? [...this.page.selection.keys] : [key];
  }

  private moveTo(at: GridPosition): void {
    this.active = at;
    this.activeKey = this.rows[at.row - 1]?.key;
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
