/** A table for spreadsheets and data frames: one row per line of the history and one column per metric. Missing values are empty. */
import { formatCsvRow, type CsvValue } from "../../../protocol/csv";
import type { MetricLine } from "../../../protocol/run";
import type { HistoryExporter, HistorySubject } from "./historyExporter";

const coordinates = ["step", "tokens", "seconds"];

const formatRow = (cells: readonly CsvValue[]): string => `${formatCsvRow(cells)}\n`;

/** Finds the metrics and the current number of lines of a history. An active run may add to both while it is exported. */
async function scanHistory({
  lines,
}: HistorySubject): Promise<{ metrics: readonly string[]; count: number }> {
  const names = new Set<string>();
  let count = 0;
  for await (const some of lines()) {
    count += some.length;
    for (const line of some) for (const name in line) names.add(name);
  }
  return { metrics: [...names].filter((name) => !coordinates.includes(name)).sort(), count };
}

const getValue = (line: MetricLine, name: string): number | undefined =>
  (line as unknown as Readonly<Record<string, number>>)[name];

export default {
  title: "CSV table",
  file: () => "metrics.csv",
  content: async function* (subject) {
    const { metrics, count } = await scanHistory(subject);
    const columns = [...coordinates, ...metrics];
    yield formatRow(columns);
    let left = count;
    for await (const some of subject.lines()) {
      const batch = some.slice(0, left);
      yield batch.map((line) => formatRow(columns.map((name) => getValue(line, name)))).join("");
      left -= batch.length;
      if (left === 0) return;
    }
  },
} satisfies HistoryExporter;
