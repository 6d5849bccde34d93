/**
 * How similar the columns of a matrix are: Pearson's correlation of each pair over the rows. Columns that a method
 * makes equal, as tying does for rows, show at once; a wide matrix is represented by evenly spaced columns.
 */
import type { HeatMap } from "../../protocol/service/models";
import { iterateWithPauses } from "./iterateWithPauses";
import type { RoleValues } from "./roleValues";

/** Rows to sample: more of them would not change a correlation visibly. */
const maxSamples = 4096;

export async function computeCorrelation(
  role: RoleValues,
  along: "rows" | "columns",
  maxItems: number,
  signal: AbortSignal,
): Promise<HeatMap> {
  const isColumns = along === "columns";
  const [items, samples] = isColumns ? [role.columns, role.rows] : [role.rows, role.columns];
  const itemIndices = selectEvenly(items, Math.min(maxItems, items));
  const sampleIndices = selectEvenly(samples, Math.min(maxSamples, samples));
  const placeOfItem = invertIndices(itemIndices, items);
  const placeOfSample = invertIndices(sampleIndices, samples);
  const values = itemIndices.map(() => new Float64Array(sampleIndices.length));
  for await (const line of iterateWithPauses(role.lines(), signal))
    for (let i = 0; i < line.values.length; i++) {
      const row = line.down ? line.row + i : line.row;
      const column = line.down ? line.column : line.column + i;
      const [item, sample] = isColumns ? [column, row] : [row, column];
      const [at, of] = [placeOfItem[item]!, placeOfSample[sample]!];
      if (at >= 0 && of >= 0) values[at]![of] = line.values[i]!;
    }
  for (const each of values) standardize(each);
  const size = itemIndices.length;
  const matrix = new Array<number | null>(size * size);
  for await (const row of iterateWithPauses(
    Array.from({ length: size }, (_, i) => i),
    signal,
  ))
    for (let column = row; column < size; column++) {
      let sum = 0;
      const [a, b] = [values[row]!, values[column]!];
      for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
      const value = Number.isFinite(sum) ? Math.max(-1, Math.min(1, sum)) : null;
      matrix[row * size + column] = value;
      matrix[column * size + row] = value;
    }
  return { rows: size, columns: size, values: matrix, shape: [items, items] };
}

/** Indices spaced evenly from the first to the last. */
function selectEvenly(length: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor((i * length) / count));
}

function invertIndices(indices: readonly number[], length: number): Int32Array {
  const places = new Int32Array(length).fill(-1);
  indices.forEach((item, place) => (places[item] = place));
  return places;
}

/** Scales to mean 0 and length 1, so that a product is the correlation; a constant column has none. */
function standardize(values: Float64Array): void {
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i]! -= mean) ** 2;
  const length = Math.sqrt(squares);
  // A constant column minus its mean is rounding noise, not a direction.
  const isConstant = length <= 1e-7 * Math.abs(mean) * Math.sqrt(values.length);
  for (let i = 0; i < values.length; i++) values[i] = isConstant || length === 0 ? NaN : values[i]! / length;
}
