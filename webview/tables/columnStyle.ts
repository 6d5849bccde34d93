/** The position of a column: star and name remain visible while the others scroll. */
import type { ShownColumn } from "./runTable";

export function getPinnedClass({ id }: ShownColumn): string {
  return id === "star" || id === "name" ? `pinned ${id}` : "";
}

export function getCellStyle(columns: readonly ShownColumn[], index: number): string {
  const column = columns[index]!;
  const starColumn = columns.find(({ id }) => id === "star");
  const leftStyle = column.id === "name" ? `;left:${starColumn?.pixels ?? 0}px` : "";
  return `width:${column.pixels}px${leftStyle}`;
}
