/**
 * Actual savings of all models in one table: the counts that a method promises next to measured file size, memory and
 * time.
 */
import type { Block, CellValue } from "../../protocol/blocks";
import { type Estimate, computeEstimate } from "../../statistics/studentT";
import type { Group } from "./figures";

const columns = [
  ["stored scalars", "savings/stored_scalars_percent"],
  ["stored bits", "savings/stored_bits_percent"],
  ["file bytes", "savings/file_bytes_percent"],
  ["packed file bytes", "savings/packed_file_bytes_percent"],
  ["memory bytes", "savings/memory_bytes_percent"],
  ["time", "savings/time_percent"],
] as const;

/** Percentages of the dense model; no table if nothing was measured. */
export function createSavedTable(groups: readonly Group[]): Block[] {
  const measured = groups.filter(({ runs }) =>
    columns.some(([, name]) => runs[0]?.values[name] !== undefined),
  );
  if (measured.length === 0) return [];
  const rows = measured.map(({ name, runs }): CellValue[] => [
    name,
    ...columns.map(([, column]) => {
      const values = runs.flatMap(({ values: runValues }) => runValues[column] ?? []);
      return values.length === 0 ? null : formatShare(computeEstimate(values));
    }),
  ]);
  const remarks = new Set(measured.flatMap(({ runs }) => runs[0]?.remarks ?? []));
  return [
    {
      kind: "table",
      title: "Actual savings: remaining percentage of the dense model",
      columns: ["variant", ...columns.map(([name]) => name)],
      rows,
    },
    ...[...remarks].map((text): Block => ({ kind: "text", text })),
  ];
}

/** Counts are equal for every seed; times are not. */
function formatShare({ mean, half }: Estimate): string {
  const spread = half === undefined || half < 0.005 ? "" : ` ± ${half.toFixed(1)}`;
  return `${mean.toFixed(2)}${spread} %`;
}
