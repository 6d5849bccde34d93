/** Where the keys of a grid lead, as the authoring practices for grids have it. Row 0 is the header. */

export interface GridPosition {
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
export function getKeyNames({ key, ctrlKey, metaKey, altKey }: Key & { readonly altKey: boolean }): string[] {
  return [
    ...(ctrlKey || metaKey ? [`Mod+${key.toLowerCase()}`] : []),
    ...(altKey ? [`Alt+${key}`] : []),
    key,
  ];
}

/** The next focused place; undefined if the key moves nothing. */
export function findTarget(
  { row, column }: GridPosition,
  { key, ctrlKey, metaKey }: Key,
  extent: Extent,
): GridPosition | undefined {
  const toEdge = ctrlKey || metaKey;
  const [lastRow, lastColumn] = [extent.rows, extent.columns - 1];
  switch (key) {
    case "ArrowUp":
      return clampPosition(toEdge ? Math.min(1, row) : row - 1, column, extent);
    case "ArrowDown":
      return clampPosition(toEdge ? lastRow : row + 1, column, extent);
    case "ArrowLeft":
      return clampPosition(row, toEdge ? 0 : column - 1, extent);
    case "ArrowRight":
      return clampPosition(row, toEdge ? lastColumn : column + 1, extent);
    case "PageUp":
      return clampPosition(Math.max(Math.min(1, row), row - extent.page), column, extent);
    case "PageDown":
      return clampPosition(row + extent.page, column, extent);
    case "Home":
      return clampPosition(toEdge ? 1 : row, 0, extent);
    case "End":
      return clampPosition(toEdge ? lastRow : row, lastColumn, extent);
    default:
      return undefined;
  }
}

/** The nearest place that there is. */
export function clampPosition(row: number, column: number, { rows, columns }: Extent): GridPosition {
  return {
    row: Math.max(0, Math.min(rows, row)),
    column: Math.max(0, Math.min(columns - 1, column)),
  };
}
