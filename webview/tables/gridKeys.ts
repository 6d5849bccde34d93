/** Where the keys of a grid lead, as the authoring practices for grids have it. Row 0 is the header. */

export interface Place {
  readonly row: number;
  readonly column: number;
}

export interface Extent {
  /** Without the header. */
  readonly rows: number;
  readonly columns: number;
  /** Rows that fit on the screen. */
  readonly page: number;
}

export interface Key {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
}

/** What a key does. */
export type KeyAction = (event: KeyboardEvent) => void;

/** Names by which actions list a key, the one with its modifier first: `Mod+a` for Ctrl or Command, `Alt+ArrowLeft`, `Enter`. */
export function keyNames({ key, ctrlKey, metaKey, altKey }: Key & { readonly altKey: boolean }): string[] {
  return [
    ...(ctrlKey || metaKey ? [`Mod+${key.toLowerCase()}`] : []),
    ...(altKey ? [`Alt+${key}`] : []),
    key,
  ];
}

/** The next focused place; undefined if the key moves nothing. */
export function findTarget(
  { row, column }: Place,
  { key, ctrlKey, metaKey }: Key,
  extent: Extent,
): Place | undefined {
  const far = ctrlKey || metaKey;
  const [lastRow, lastColumn] = [extent.rows, extent.columns - 1];
  switch (key) {
    case "ArrowUp":
      return place(far ? Math.min(1, row) : row - 1, column, extent);
    case "ArrowDown":
      return place(far ? lastRow : row + 1, column, extent);
    case "ArrowLeft":
      return place(row, far ? 0 : column - 1, extent);
    case "ArrowRight":
      return place(row, far ? lastColumn : column + 1, extent);
    case "PageUp":
      return place(Math.max(Math.min(1, row), row - extent.page), column, extent);
    case "PageDown":
      return place(row + extent.page, column, extent);
    case "Home":
      return place(far ? 1 : row, 0, extent);
    case "End":
      return place(far ? lastRow : row, lastColumn, extent);
    default:
      return undefined;
  }
}

/** The nearest place that there is. */
export function place(row: number, column: number, { rows, columns }: Extent): Place {
  return {
    row: Math.max(0, Math.min(rows, row)),
    column: Math.max(0, Math.min(columns - 1, column)),
  };
}
