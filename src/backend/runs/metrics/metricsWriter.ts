/** Appends to `metrics.jsonl`, one write per line, and truncates it to a checkpoint when a run resumes. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import type { MetricLine } from "../../../protocol/run";
import { writeAtomic } from "../folder/atomicFile";
import { formatMetricLine, parseMetricLine } from "./metricLine";

/** Absent on Windows, where creating a link requires a privilege. */
const noFollow = (constants as { O_NOFOLLOW?: number }).O_NOFOLLOW ?? 0;

export const appendFlags = constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | noFollow;

export class MetricsWriter {
  private descriptor: number;
  private rows: number;

  /** Opening removes an incomplete last line, which nobody has read. */
  constructor(private readonly path: string) {
    this.descriptor = openSync(path, appendFlags, 0o666);
    const bytes = readFileSync(this.descriptor);
    const whole = bytes.lastIndexOf(10) + 1;
    if (whole < bytes.length) this.replace(bytes.subarray(0, whole));
    this.rows = bytes.reduce((count, byte) => count + (byte === 10 ? 1 : 0), 0);
  }

  /** The number of lines in the file. */
  get lines(): number {
    return this.rows;
  }

  append(line: MetricLine): void {
    const bytes = Buffer.from(formatMetricLine(line));
    const count = this.write(bytes);
    if (count === bytes.length) {
      this.rows++;
      return;
    }
    // A nearly full disk accepts a part of the line, which must not remain, or the next line would be joined to it.
    ftruncateSync(this.descriptor, fstatSync(this.descriptor).size - count);
    throw new WorkbenchError(
      "disk-full",
      `The disk is full (${this.path}). Free some space, then resume the run.`,
    );
  }

  private write(bytes: Uint8Array): number {
    try {
      return writeSync(this.descriptor, bytes);
    } catch (thrown) {
      throw toWorkbenchError(thrown, this.path);
    }
  }

  /**
   * Drops the lines after `step`, which will be written again, and returns the rest. Unreadable lines are preserved.
   */
  rewind(step: number): readonly MetricLine[] {
    return this.keep((line) => line === undefined || line.step <= step);
  }

  /** Drops all but the first `count` lines and returns them. */
  truncate(count: number): readonly MetricLine[] {
    return this.keep((_, index) => index < count);
  }

  private keep(isWanted: (line: MetricLine | undefined, index: number) => boolean): readonly MetricLine[] {
    const keptLines: MetricLine[] = [];
    const rows = readFileSync(this.path, "utf8").split("\n").slice(0, -1);
    const staying = rows.filter((row, index) => {
      const line = parseMetricLine(row);
      const isKept = isWanted(line, index);
      if (isKept && line !== undefined) keptLines.push(line);
      return isKept;
    });
    if (staying.length < rows.length) this.replace(staying.map((row) => `${row}\n`).join(""));
    this.rows = staying.length;
    return keptLines;
  }

  /** A new file under the same name: followers of the old one see that it was replaced and start over. */
  private replace(data: string | Uint8Array): void {
    closeSync(this.descriptor);
    writeAtomic(this.path, data, { durable: true });
    this.descriptor = openSync(this.path, appendFlags);
  }

  sync(): void {
    fsyncSync(this.descriptor);
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
