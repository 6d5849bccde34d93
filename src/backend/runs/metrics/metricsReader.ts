/** Reads `metrics.jsonl` while somebody else appends to it: only whole lines count, and bad ones are counted. */
import type { MetricLine } from "../../../protocol/run";
import { LineTail } from "./lineTail";
import { maxLineBytes, parseMetricLine } from "./metricLine";

const newline = 10;

export interface MetricsChunk {
  readonly lines: readonly MetricLine[];
  /** Whole lines that are no metric lines. */
  readonly bad: number;
  /** The file was rewritten, as a resumed run does: what was read before is void, reading began anew. */
  readonly restarted: boolean;
  /** More whole lines may be there already. */
  readonly more: boolean;
}

/** Follows one file. A torn last line waits for its end. */
export class MetricsTail {
  private readonly tail: LineTail;

  /** Begins with the first line after `from` bytes. */
  constructor(path: string, from = 0) {
    this.tail = new LineTail(path, maxLineBytes, from);
  }

  async next(): Promise<MetricsChunk> {
    const { bytes, tooLong, restarted, more } = await this.tail.next();
    const lines: MetricLine[] = [];
    let bad = tooLong;
    let start = 0;
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      const line = parseMetricLine(bytes.toString("utf8", start, end));
      if (line === undefined) bad++;
      else lines.push(line);
      start = end + 1;
    }
    return { lines, bad, restarted, more };
  }
}

export interface Metrics {
  readonly lines: readonly MetricLine[];
  readonly bad: number;
}

/** The whole history. A file that is not there yet has none. */
export async function readMetrics(path: string): Promise<Metrics> {
  const tail = new MetricsTail(path);
  let lines: MetricLine[] = [];
  let bad = 0;
  for (;;) {
    const chunk = await tail.next();
    if (chunk.restarted) [lines, bad] = [[], 0];
    for (const line of chunk.lines) lines.push(line);
    bad += chunk.bad;
    if (!chunk.more) return { lines, bad };
  }
}
