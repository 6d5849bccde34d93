/** The history of a run for an export, read in pieces. The run may still be active. */
import { join } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import type { MetricLine, RunRecord } from "../../../protocol/run";
import type { HistorySubject } from "../../exports/histories/historyExporter";
import { MetricsTail } from "../metrics/metricsReader";

export function createHistorySubject(folder: string, record: RunRecord): HistorySubject {
  return {
    id: record.id,
    startedAt: Date.parse(record.startedAt ?? record.createdAt),
    lines: () => readLines(folder),
  };
}

async function* readLines(folder: string): AsyncGenerator<readonly MetricLine[]> {
  const tail = new MetricsTail(join(folder, "metrics.jsonl"));
  for (let more = true; more;) {
    const chunk = await tail.next();
    if (chunk.restarted)
      throw new WorkbenchError(
        "busy",
        `The run ${folder} was resumed during the export, which truncated its history. Export it again.`,
      );
    if (chunk.lines.length > 0) yield chunk.lines;
    more = chunk.more;
  }
}
