/** Follows a run from any process through its folder alone, until it has ended. */
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { isActive, type MetricLine, type RunRecord } from "../../../protocol/run";
import { readRun } from "../folder/findRuns";
import { MetricsTail } from "./metricsReader";

export interface RunUpdate {
  readonly record: RunRecord;
  /** Lines since the previous update. */
  readonly lines: readonly MetricLine[];
  /** The history was truncated: discard earlier lines. */
  readonly restarted: boolean;
}

export interface FollowOptions {
  readonly signal?: AbortSignal;
  readonly milliseconds?: number;
}

/** Yields at once, whenever something may have changed, and finally with a final state. */
export async function* followRun(
  folder: string,
  options: FollowOptions = {},
): AsyncGenerator<RunUpdate, void> {
  const { signal, milliseconds = 300 } = options;
  const tail = new MetricsTail(join(folder, "metrics.jsonl"));
  for (;;) {
    // Read the record first: all lines written before a final state are then read.
    const run = await readRun(folder);
    if (run.record === undefined) {
      const { code, message } = run.failure;
      throw new WorkbenchError(code === "corrupt" ? "corrupt" : "io", message);
    }
    let more = true;
    while (more) {
      const chunk = await tail.next();
      more = chunk.more;
      yield { record: run.record, lines: chunk.lines, restarted: chunk.restarted };
    }
    if (!isActive(run.record)) return;
    try {
      await setTimeout(milliseconds, undefined, signal === undefined ? {} : { signal });
    } catch (thrown) {
      if (signal?.aborted === true) return;
      throw toWorkbenchError(thrown);
    }
  }
}
