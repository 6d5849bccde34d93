/**
 * The table of runs on the screen: an ARIA grid of which only the rows in sight exist. It knows where the focus is and what is
 * being edited; what is selected and how rows are arranged belongs to the page.
 */
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { RunSummary } from "../../src/protocol/service/runs";
import { plural } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";
import { CellEditor } from "./cellEditor";
import { cellTitle, cellView } from "./cellViews";
import { cellStyle, pinned } from "./columnPlace";
import { headerView } from "./gridHeader";
import { findTarget, type KeyAction, keyNames, type Place, place } from "./gridKeys";
import type { EditableField } from "./runColumns";
import { extendTo, noSelection, selectAll, type Selection, selectOnly, toggle } from "./runSelection";
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
  private active: Place = { row: 1, column: 1 };
  private activeKey: string | undefined;
  private focusWanted = false;
  /** Whether the table had the keyboard focus before it was redrawn. */
  private focused = false;
  private slots = 0;
  private readonly editor: CellEditor;
  private readonly virtualizer: Virtualizer<HTMLElement, HTMLElement>;
  private scroller: HTMLElement | null = null;

  constructor(private readonly page: GridPage) {
    this.editor = new CellEditor({
      commit: (run, field, text) => page.edit(run, field, text),
      closed: () => this.focusActive(),
    });
    this.virtualizer = new Virtualizer(this.virtualOptions());
    this.virtualizer._didMount();
  }

  draw(rows: readonly TableRow[], columns: readonly ShownColumn[]): TemplateResult {
    this.rows = rows;
    this.columns = columns;
    this.followActive();
    this.virtualizer.setOptions(this.virtualOptions());
    this.focused = this.scroller?.contains(document.activeElement) === true;
    const items = this.virtualizer.getVirtualItems().filter(({ index }) => index < rows.length);
    const width = columns.reduce((sum, { pixels }) => sum + pixels, 0);
    const grouped = this.page.table.arrangement.grouping.length > 0;
    return html`<div
      class="grid"
      role=${grouped ? "treegrid" : "grid"}
      aria-label="Runs"
      aria-multiselectable="true"
      aria-rowcount=${rows.length + 1}
      aria-colcount=${columns.length}
      aria-describedby="grid-keys"
      @keydown=${(event: KeyboardEvent) => this.onKey(event)}
      @mousedown=${(event: MouseEvent) => this.onMouse(event)}
      @dblclick=${(event: MouseEvent) => this.onDoubleClick(event)}
    >
      ${headerView(columns, {
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
          ({ index }) => this.slotOf(index, items.length),
          ({ index, start }) => this.rowView(rows[index]!, index, start),
        )}
      </div>
    </div>`;
  }

  /** After each drawing. */
  drawn(root: ParentNode): void {
    this.scroller = root.querySelector<HTMLElement>(".grid");
    this.virtualizer._willUpdate();
    // A row that is drawn by another element now takes the focus along.
    if (this.editor.drawn(root) || !(this.focusWanted || this.focused)) return;
    const cell = root.querySelector<HTMLElement>(
      `[data-row="${this.active.row}"][data-column="${this.active.column}"]`,
    );
    const only = cell ?? root.querySelector<HTMLElement>(`[data-row="${this.active.row}"]`);
    if (only === null) return;
    if (document.activeElement !== only) only.focus({ preventScroll: true });
    if (this.focusWanted) this.revealColumn(only);
    this.focusWanted = false;
  }

  /** Puts the keyboard onto the table, as after an action of the toolbar. */
  focusActive(): void {
    this.focusWanted = true;
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
  private slotOf(index: number, drawn: number): string | number {
    this.slots = Math.max(this.slots, drawn);
    const { range } = this.virtualizer;
    const inSight =
      range === null || (index >= range.startIndex - overscan && index <= range.endIndex + overscan);
    return inSight ? index % this.slots : "away";
  }

  private rowView(row: TableRow, index: number, start: number): TemplateResult {
    const at = index + 1;
    const active = this.active.row === at;
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
          tabindex=${active ? 0 : -1}
        >
          <span class="inside"
            >${row.expanded ? icons.down : icons.right}<b>${row.label}</b>
            <span class="muted">${plural(row.runs, "run")}</span></span
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
          class="cell ${column.numeric ? "number" : ""} ${pinned(column)} ${editing ? "editing" : ""}"
          style=${cellStyle(this.columns, i)}
          aria-colindex=${i + 1}
          data-row=${at}
          data-column=${i}
          tabindex=${active && this.active.column === i ? 0 : -1}
          title=${editing ? nothing : cellTitle(row.run, column)}
        >
          ${editing ? this.editor.view() : cellView(row.run, column)}
        </div>`;
      })}
    </div>`;
  }

  private onKey(event: KeyboardEvent): void {
    const actions = this.keyActions();
    const action = keyNames(event).flatMap((name) => actions[name] ?? [])[0];
    if (action === undefined) {
      this.navigate(event);
      return;
    }
    // Escape also closes what VS Code has open around the page.
    if (event.key !== "Escape") event.preventDefault();
    action(event);
  }

  /** What each key does where the focus is. The other keys move the focus. */
  private keyActions(): Readonly<Record<string, KeyAction>> {
    const { page } = this;
    const row = this.rows[this.active.row - 1];
    const column = this.columns[this.active.column];
    const everywhere: Readonly<Record<string, KeyAction>> = {
      "Mod+a": () => page.select(selectAll(this.runKeys())),
      Escape: () => page.select(noSelection),
    };
    if (row?.kind === "group") {
      const expand = (expanded: boolean) => {
        page.table.expand(row.key, expanded);
        page.arranged();
      };
      const toggleGroup = () => expand(!row.expanded);
      return {
        ...everywhere,
        Enter: toggleGroup,
        " ": toggleGroup,
        ArrowRight: () => expand(true),
        ArrowLeft: () => expand(false),
      };
    }
    if (column === undefined) return everywhere;
    if (row?.kind === "run")
      return {
        ...everywhere,
        "Mod+c": () => page.copy(page.selection.keys.size > 1 ? "rows" : "cell", column.text(row.run)),
        " ": () => page.select(toggle(page.selection, row.key)),
        Delete: () => page.remove(this.aimed(row.key)),
        Enter: () => this.act(row.run, column, false),
        F2: () => this.act(row.run, column, true),
      };
    const sort = ({ shiftKey }: KeyboardEvent) => {
      page.table.sortBy(column.id, shiftKey);
      page.arranged();
    };
    const widen = (pixels: number) => {
      page.table.resize(column.id, column.pixels + pixels);
      page.arranged();
    };
    return {
      ...everywhere,
      Enter: sort,
      " ": sort,
      "Alt+ArrowRight": () => widen(16),
      "Alt+ArrowLeft": () => widen(-16),
    };
  }

  private navigate(event: KeyboardEvent): void {
    const extent = { rows: this.rows.length, columns: this.columns.length, page: this.pageRows() };
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
    this.page.select(extendTo(from, target.key, this.runKeys()));
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
        this.page.select(extendTo(selection, row.key, this.runKeys()));
      } else if (event.ctrlKey || event.metaKey) this.page.select(toggle(selection, row.key));
      else this.page.select(selectOnly(row.key));
    }
  }

  private onDoubleClick(event: MouseEvent): void {
    const cell = (event.target as Element).closest<HTMLElement>("[data-column]");
    const row = this.rows[Number(cell?.dataset.row) - 1];
    const column = this.columns[Number(cell?.dataset.column)];
    if (row?.kind === "run" && column !== undefined && column.id !== "star") this.act(row.run, column, false);
  }

  /** What Enter, F2 and a double click do with a cell: edit it, else open the runs. */
  private act(run: RunSummary, column: ShownColumn, editOnly: boolean): void {
    if (column.id === "star") this.page.star(run);
    else if (column.edits !== undefined) {
      this.editor.begin(run, column.edits);
      this.page.redraw();
    } else if (!editOnly) this.page.open(this.aimed(run.folder));
  }

  /** The selection where it holds the run, else the run alone. */
  private aimed(key: string): readonly string[] {
    return this.page.selection.keys.has(key) ? [...this.page.selection.keys] : [key];
  }

  private moveTo(at: Place): void {
    this.active = at;
    this.activeKey = this.rows[at.row - 1]?.key;
    if (at.row > 0) this.virtualizer.scrollToIndex(at.row - 1, { align: "auto" });
    this.focusActive();
  }

  /** The focus stays with its run, wherever sorting and filtering put it. */
  private followActive(): void {
    const extent = { rows: this.rows.length, columns: this.columns.length, page: 1 };
    const { row, column } = this.active;
    const stays = row === 0 || this.rows[row - 1]?.key === this.activeKey;
    const found = stays ? row - 1 : this.rows.findIndex(({ key }) => key === this.activeKey);
    this.active = place(found < 0 ? row : found + 1, column, extent);
    this.activeKey = this.rows[this.active.row - 1]?.key;
  }

  private runKeys(): string[] {
    return this.rows.flatMap((row) => (row.kind === "run" ? [row.key] : []));
  }

  private pageRows(): number {
    return Math.max(1, Math.floor(((this.scroller?.clientHeight ?? 0) - headHeight) / rowHeight) - 1);
  }

  /** The pinned columns lie over what scrolls below them. */
  private revealColumn(cell: HTMLElement): void {
    const { scroller } = this;
    if (scroller === null || cell.dataset.column === undefined || /\bpinned\b/.test(cell.className)) return;
    const covered = this.columns.reduce(
      (sum, column) => sum + (pinned(column) === "" ? 0 : column.pixels),
      0,
    );
    const [left, right] = [cell.offsetLeft, cell.offsetLeft + cell.offsetWidth];
    if (left < scroller.scrollLeft + covered) scroller.scrollLeft = left - covered;
    else if (right > scroller.scrollLeft + scroller.clientWidth)
      scroller.scrollLeft = right - scroller.clientWidth;
  }

  private virtualOptions(): VirtualOptions {
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

type VirtualOptions = ConstructorParameters<typeof Virtualizer<HTMLElement, HTMLElement>>[0];
