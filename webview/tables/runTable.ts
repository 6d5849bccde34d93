/** Sorting, grouping, order and width of columns for a table of runs; what is left is a flat list of rows to draw. */
import {
  columnGroupingFeature,
  columnSizingFeature,
  type ColumnSizingState,
  columnVisibilityFeature,
  type ColumnVisibilityState,
  constructTable,
  createColumnHelper,
  createExpandedRowModel,
  createGroupedRowModel,
  createSortedRowModel,
  type ExpandedState,
  type GroupingState,
  type RowModel,
  rowExpandingFeature,
  rowSortingFeature,
  type SortingState,
  tableFeatures,
} from "@tanstack/table-core";
import { storeReactivityBindings } from "@tanstack/table-core/store-reactivity-bindings";
import { ProtocolMarks } from "../../src/protocol/protocolMarks";
import type { RunSummary } from "../../src/protocol/service/runs";
import type { RunColumn } from "./runColumns";

const features = tableFeatures({
  coreReactivityFeature: storeReactivityBindings(),
  columnGroupingFeature,
  columnSizingFeature,
  columnVisibilityFeature,
  rowExpandingFeature,
  rowSortingFeature,
  expandedRowModel: createExpandedRowModel(),
  groupedRowModel: createGroupedRowModel(),
  sortedRowModel: createSortedRowModel(),
});
const helper = createColumnHelper<typeof features, RunSummary>();

/** How a person arranged the table. */
export interface Arrangement {
  readonly sorting: SortingState;
  readonly columnVisibility: ColumnVisibilityState;
  readonly columnSizing: ColumnSizingState;
  readonly grouping: GroupingState;
  readonly expanded: ExpandedState;
}

export const defaultArrangement: Arrangement = {
  sorting: [{ id: "created", desc: true }],
  columnVisibility: {},
  columnSizing: {},
  grouping: [],
  expanded: true,
};

export type TableRow =
  | { readonly kind: "run"; readonly key: string; readonly run: RunSummary }
  | {
      readonly kind: "group";
      readonly key: string;
      readonly label: string;
      readonly runs: readonly RunSummary[];
      readonly expanded: boolean;
    };

export interface ShownColumn extends RunColumn {
  /** As set by hand, or the column's own. */
  readonly pixels: number;
  readonly sorted: "asc" | "desc" | undefined;
  /** Place among the sorted columns from 1, where there are several. */
  readonly sortRank: number | undefined;
}

export class RunTable {
  private columns: readonly RunColumn[] = [];
  private marks = new ProtocolMarks(() => []);
  private readonly table;
  private cached: { readonly from: ModelRows; readonly rows: readonly TableRow[] } | undefined;

  constructor(arrangement: Arrangement) {
    this.table = constructTable({
      features,
      columns: helper.columns([]),
      data: [] as readonly RunSummary[],
      getRowId: ({ folder }) => folder,
      groupedColumnMode: false,
      enableSortingRemoval: true,
      isMultiSortEvent: () => false,
      initialState: arrangement,
    });
  }

  get arrangement(): Arrangement {
    const { sorting, columnVisibility, columnSizing, grouping, expanded } = this.table.store.state;
    return { sorting, columnVisibility, columnSizing, grouping, expanded };
  }

  arrange({ sorting, columnVisibility, columnSizing, grouping, expanded }: Arrangement): void {
    this.table.setSorting(sorting);
    this.table.setColumnVisibility(columnVisibility);
    this.table.setColumnSizing(columnSizing);
    this.table.setGrouping(grouping);
    this.table.setExpanded(expanded);
  }

  setColumns(columns: readonly RunColumn[]): void {
    this.columns = columns;
    const defined = columns.map((column) =>
      helper.accessor((run): unknown => column.value(run), {
        id: column.id,
        size: column.width,
        minSize: 34,
        // Missing values are last in both sort directions.
        sortUndefined: "last",
        // What may not be compared is not sorted into each other.
        sortFn: (a, b, id) =>
          (column.metric === undefined ? 0 : this.marks.compare(a.original, b.original, column.metric)) ||
          compare(a.getValue(id), b.getValue(id)),
      }),
    );
    this.table.setOptions((options) => ({ ...options, columns: defined }));
  }

  setRuns(runs: readonly RunSummary[], marks: ProtocolMarks): void {
    this.marks = marks;
    this.table.setOptions((options) => ({ ...options, data: runs }));
  }

  getShownColumns(): readonly ShownColumn[] {
    const { sorting } = this.arrangement;
    return this.columns
      .filter((column) => this.isShown(column))
      .map((column) => {
        const rank = sorting.findIndex(({ id }) => id === column.id);
        return {
          ...column,
          pixels: this.table.getColumn(column.id)?.getSize() ?? column.width,
          sorted: rank < 0 ? undefined : sorting[rank]!.desc ? "desc" : "asc",
          sortRank: rank < 0 || sorting.length < 2 ? undefined : rank + 1,
        };
      });
  }

  isShown({ id, shown: isVisible }: RunColumn): boolean {
    return id === "name" || (this.arrangement.columnVisibility[id] ?? isVisible);
  }

  show(id: string, isVisible: boolean): void {
    this.table.setColumnVisibility((previous) => ({ ...previous, [id]: isVisible }));
  }

  resetColumns(): void {
    this.table.setColumnVisibility({});
    this.table.setColumnSizing({});
  }

  resize(id: string, pixels: number): void {
    this.table.setColumnSizing((previous) => ({ ...previous, [id]: Math.max(34, Math.round(pixels)) }));
  }

  /** Ascending, descending, not at all; numbers begin with ascending too, because the lowest loss is the best. */
  sortBy(id: string, add: boolean): void {
    this.table.setSorting((previous) => {
      const existing = previous.find((each) => each.id === id);
      const others = add ? previous.filter((each) => each.id !== id) : [];
      const next =
        existing === undefined ? { id, desc: false } : existing.desc ? undefined : { id, desc: true };
      if (!add || existing === undefined) return next === undefined ? [] : [...others, next];
      return previous.flatMap((each) => (each.id !== id ? [each] : next === undefined ? [] : [next]));
    });
  }

  setSorting(id: string, isDescending: boolean): void {
    this.table.setSorting([{ id, desc: isDescending }]);
  }

  groupBy(id: string | undefined): void {
    this.table.setGrouping(id === undefined ? [] : [id]);
    this.table.setExpanded(true);
  }

  expand(key: string, expanded: boolean): void {
    this.table.getRow(key, true).toggleExpanded(expanded);
  }

  /** The same array as long as nothing has changed. */
  rows(): readonly TableRow[] {
    const { rows } = this.table.getRowModel();
    if (this.cached?.from !== rows) this.cached = { from: rows, rows: this.flatten(rows) };
    return this.cached.rows;
  }

  private flatten(rows: ModelRows): readonly TableRow[] {
    return rows.map((row): TableRow => {
      if (!row.getIsGrouped()) return { kind: "run", key: row.id, run: row.original };
      const value = row.groupingValue as string | number | undefined;
      return {
        kind: "group",
        key: row.id,
        label: String(value ?? "none"),
        runs: row.getLeafRows().map(({ original }) => original),
        expanded: row.getIsExpanded(),
      };
    });
  }
}

type ModelRows = RowModel<typeof features, RunSummary>["rows"];

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function compare(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return collator.compare(String(a), String(b));
}
