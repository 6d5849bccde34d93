/**
 * Reads `metrics.jsonl` while another process appends to it: only whole lines are parsed, and invalid ones are
 * counted.
 */
import type { MetricLine } from "../../../protocol/run";
import { LineTail } from "./lineTail";
import { maxLineBytes, parseMetricLine } from "./metricLine";

const newline = 10;

export interface MetricsChunk {
  readonly lines: readonly MetricLine[];
  /** Whole lines that are not metric lines. */
  readonly bad: number;
  /** The file was rewritten, as a resumed run does: earlier lines are void, and reading started over. */
  readonly restarted: boolean;
  /** Whether more whole lines may be available. */
  readonly more: boolean;
}

/** Follows one file. An incomplete last line is held back until it is complete. */
export class MetricsTail {
  private readonly tail: LineTail;

  /** Starts with the first line after `from` bytes. */
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

/** The whole history; empty if the file does not exist yet. */
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
