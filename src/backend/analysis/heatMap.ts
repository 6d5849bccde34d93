/** A coarse picture of a matrix that loses no outlier: each rectangle shows its value of largest magnitude. */
import type { HeatMap } from "../../protocol/service/models";
import { iterateWithPauses } from "./iterateWithPauses";
import type { RoleValues } from "./roleValues";

export async function computeHeatMap(
  role: RoleValues,
  size: { readonly rows: number; readonly columns: number },
  signal: AbortSignal,
): Promise<HeatMap> {
  const rows = Math.min(size.rows, role.rows);
  const columns = Math.min(size.columns, role.columns);
  const cellOfRow = cellIndices(role.rows, rows);
  const cellOfColumn = cellIndices(role.columns, columns);
  const cells = new Float64Array(rows * columns);
  const magnitude = new Float64Array(rows * columns).fill(-1);
  for await (const { values, row, column, down } of iterateWithPauses(role.lines(), signal))
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const cell = cellOfRow[down ? row + i : row]! * columns + cellOfColumn[down ? column : column + i]!;
      // A value that is not finite is the worst outlier of all.
      const size = Number.isFinite(value) ? Math.abs(value) : Infinity;
      if (size <= magnitude[cell]!) continue;
      magnitude[cell] = size;
      cells[cell] = value;
    }
  const values = Array.from(cells, (value) => (Number.isFinite(value) ? value : null));
  return { rows, columns, values, shape: [role.rows, role.columns] };
}

/** For each index of an axis the cell that shows it. */
function cellIndices(length: number, count: number): Uint32Array {
  return Uint32Array.from({ length }, (_, place) => Math.floor((place * count) / length));
}
