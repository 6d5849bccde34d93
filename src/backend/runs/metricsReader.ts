/** Reads `metrics.jsonl` while somebody else appends to it: only whole lines count, and bad ones are counted. */
import { open, type FileHandle } from "node:fs/promises";
import type { MetricLine } from "../../protocol/run";
import { maxLineBytes, parseMetricLine } from "./metricLine";

const newline = 10;
const chunkBytes = 4 * 1024 * 1024;

export interface MetricsChunk {
  readonly lines: readonly MetricLine[];
  /** Whole lines that are no metric lines. */
  readonly bad: number;
  /** The file was rewritten, as a resumed run does: what was read before is void, reading began anew. */
  readonly restarted: boolean;
  /** More whole lines may be there already. */
  readonly more: boolean;
}

const nothing: MetricsChunk = { lines: [], bad: 0, restarted: false, more: false };

/** Follows one file. A torn last line waits for its end. */
export class MetricsTail {
  /** Bytes consumed so far, always at the start of a line. */
  offset = 0;
  private file = "";
  /** Inside a line that is too long to be one of ours, whose rest is skipped. */
  private skipping = false;

  constructor(private readonly path: string) {}

  async next(): Promise<MetricsChunk> {
    let handle: FileHandle;
    try {
      handle = await open(this.path, "r");
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return nothing;
      throw thrown;
    }
    try {
      const { ino, dev, size } = await handle.stat({ bigint: true });
      const file = `${dev}:${ino}`;
      const restarted = this.file !== "" && (file !== this.file || size < this.offset);
      if (restarted) this.offset = 0;
      if (restarted) this.skipping = false;
      this.file = file;
      const length = Math.min(chunkBytes, Number(size) - this.offset);
      if (length === 0) return { ...nothing, restarted };
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, this.offset);
      return { ...this.consume(buffer.subarray(0, bytesRead)), restarted };
    } finally {
      await handle.close();
    }
  }

  private consume(bytes: Buffer): Omit<MetricsChunk, "restarted"> {
    const lines: MetricLine[] = [];
    let bad = 0;
    let start = 0;
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      const line = this.skipping ? undefined : parseMetricLine(bytes.toString("utf8", start, end));
      if (line !== undefined) lines.push(line);
      else if (!this.skipping) bad++;
      this.skipping = false;
      start = end + 1;
    }
    if (bytes.length - start > maxLineBytes) {
      if (!this.skipping) bad++;
      this.skipping = true;
      start = bytes.length;
    }
    this.offset += start;
    return { lines, bad, more: bytes.length === chunkBytes && start > 0 };
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
