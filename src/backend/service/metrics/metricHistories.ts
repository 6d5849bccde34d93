/** The histories that are in memory: those that are watched or were asked for last. */
import { join } from "node:path";
import { MetricHistory } from "./metricHistory";

/** Two histories of a million lines and many small ones. */
const mostBytes = 256 * 2 ** 20;

export class MetricHistories {
  /** The least recently used first. */
  private readonly known = new Map<string, MetricHistory>();

  constructor(private readonly limit = mostBytes) {}

  of(run: string): MetricHistory {
    const history = this.known.get(run) ?? new MetricHistory(join(run, "metrics.jsonl"));
    this.known.delete(run);
    this.known.set(run, history);
    return history;
  }

  /**
   * Lets go of what was not used for longest, but never of the last one, nor of those that are needed: reading them again
   * and again would take more than it gives.
   */
  makeRoom(isNeeded: (run: string) => boolean): void {
    let bytes = 0;
    for (const { columns } of this.known.values()) bytes += columns.bytes;
    const last = [...this.known.keys()].at(-1);
    for (const [run, { columns }] of this.known) {
      if (bytes <= this.limit) return;
      if (run === last || isNeeded(run)) continue;
      this.known.delete(run);
      bytes -= columns.bytes;
    }
  }

  has(run: string): boolean {
    return this.known.has(run);
  }
}
