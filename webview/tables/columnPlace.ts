/** The position of a column: star and name remain visible while the others scroll. */
import type { ShownColumn } from "./runTable";

export function pinned({ id }: ShownColumn): string {
  return id === "star" || id === "name" ? `pinned ${id}` : "";
}

export function cellStyle(columns: readonly ShownColumn[], index: number): string {
  const column = columns[index]!;
  const star = columns.find(({ id }) => id === "star");
  const left = column.id === "name" ? `;left:${star?.pixels ?? 0}px` : "";
  return `width:${column.pixels}px${left}`;
}
