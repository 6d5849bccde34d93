/** The history of one run. Each refresh continues where the last one stopped. */
import { toWorkbenchError, type WorkbenchError } from "../../../protocol/errors";
import { LineTail } from "../../runs/metrics/lineTail";
import { maxLineBytes } from "../../runs/metrics/metricLine";
import { MetricColumns } from "./metricColumns";
import { MetricScanner } from "./metricScanner";

export class MetricHistory {
  columns = new MetricColumns();
  /** Counts rewrites of the file: what was reported of an earlier generation is void. */
  generation = 0;
  private scanner = new MetricScanner(this.columns);
  private readonly tail: LineTail;
  /** A failure that ended reading for good, such as a file above the size limit. */
  private failure: WorkbenchError | undefined;
  private turn: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.tail = new LineTail(path, maxLineBytes);
  }

  /** Reads everything the file has now. Concurrent calls share one read; aborting one does not affect the others. */
  refresh(signal?: AbortSignal): Promise<void> {
    const mine = this.turn.then(() => this.readOn(signal));
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  private async readOn(signal: AbortSignal | undefined): Promise<void> {
    for (let more = true; more;) {
      signal?.throwIfAborted();
      const chunk = await this.tail.next();
      if (chunk.restarted) {
        this.generation++;
        this.failure = undefined;
        this.columns = new MetricColumns();
        this.scanner = new MetricScanner(this.columns);
      }
      try {
        this.scanner.scan(chunk.bytes);
      } catch (thrown) {
        this.failure = toWorkbenchError(thrown);
      }
      if (this.failure !== undefined) throw this.failure;
      more = chunk.more;
    }
  }
}
