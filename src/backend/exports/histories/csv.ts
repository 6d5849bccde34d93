/** A table for spreadsheets and data frames: a row a line of the history, a column a metric, empty where a line has none. */
import { csvRow, type CsvValue } from "../../../protocol/csv";
import type { MetricLine } from "../../../protocol/run";
import type { HistoryExporter, HistorySubject } from "./historyExporter";

const coordinates = ["step", "tokens", "seconds"];

/** Names of metrics come from whoever wrote the run. */
const row = (cells: readonly CsvValue[]): string => `${csvRow(cells)}\n`;

/** The metrics of a history and how many lines it has now: a run that is going may add to both. */
async function measured({ lines }: HistorySubject): Promise<{ metrics: readonly string[]; count: number }> {
  const names = new Set<string>();
  let count = 0;
  for await (const some of lines()) {
    count += some.length;
    for (const line of some) for (const name in line) names.add(name);
  }
  return { metrics: [...names].filter((name) => !coordinates.includes(name)).sort(), count };
}

const valueOf = (line: MetricLine, name: string): number | undefined =>
  (line as unknown as Readonly<Record<string, number>>)[name];

export default {
  title: "CSV table",
  file: () => "metrics.csv",
  content: async function* (subject) {
    const { metrics, count } = await measured(subject);
    const columns = [...coordinates, ...metrics];
    yield row(columns);
    let left = count;
    for await (const some of subject.lines()) {
      const known = some.slice(0, left);
      yield known.map((line) => row(columns.map((name) => valueOf(line, name)))).join("");
      left -= known.length;
      if (left === 0) return;
    }
  },
} satisfies HistoryExporter;
