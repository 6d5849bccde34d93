/** The history of a run as an export takes it: read a piece at a time, from the file of a run that may still be going. */
import { join } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import type { MetricLine, RunRecord } from "../../../protocol/run";
import type { HistorySubject } from "../../exports/histories/historyExporter";
import { MetricsTail } from "../metrics/metricsReader";

export function historySubject(folder: string, record: RunRecord): HistorySubject {
  return {
    id: record.id,
    startedAt: Date.parse(record.startedAt ?? record.createdAt),
    lines: () => linesOf(folder),
  };
}

async function* linesOf(folder: string): AsyncGenerator<readonly MetricLine[]> {
  const tail = new MetricsTail(join(folder, "metrics.jsonl"));
  for (let more = true; more;) {
    const chunk = await tail.next();
    if (chunk.restarted)
      throw new WorkbenchError(
        "busy",
        `The run ${folder} was resumed and cut its history back meanwhile. Export it once more.`,
      );
    if (chunk.lines.length > 0) yield chunk.lines;
    more = chunk.more;
  }
}
