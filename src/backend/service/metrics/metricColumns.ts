/**
 * A metric history as columns: a number takes eight bytes instead of an object, and a curve is read without its
 * siblings.
 */
import { WorkbenchError } from "../../../protocol/errors";
import type { MetricLine } from "../../../protocol/run";

/** Far beyond any training run; reading stops here instead of exhausting memory. */
const maxRows = 2 ** 24;
const maxMetrics = 10_000;

/** Lines of a history, excluding the end. */
export interface LineRange {
  readonly from: number;
  readonly to: number;
}

/** Growable array of numbers. */
export class Column {
  private data = new Float64Array(16);
  length = 0;

  push(value: number): void {
    if (this.length === this.data.length) {
      const larger = new Float64Array(2 * this.length);
      larger.set(this.data);
      this.data = larger;
    }
    this.data[this.length++] = value;
  }

  get last(): number | undefined {
    return this.length === 0 ? undefined : this.data[this.length - 1];
  }

  replaceLast(value: number): void {
    this.data[this.length - 1] = value;
  }

  /** A view, valid until the next push. */
  get values(): Float64Array {
    return this.data.subarray(0, this.length);
  }

  get bytes(): number {
    return this.data.byteLength;
  }
}

/** The values of one metric and the rows they belong to, ascending. */
export class MetricColumn {
  readonly rows = new Column();
  readonly values = new Column();

  /** The index of the first value whose row is not below `row`. */
  indexOfRow(row: number): number {
    const rows = this.rows.values;
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle]! < row) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class MetricColumns {
  readonly step = new Column();
  readonly seconds = new Column();
  /** NaN where a line has no token count. */
  readonly tokens = new Column();
  readonly metrics = new Map<string, MetricColumn>();

  get rows(): number {
    return this.step.length;
  }

  get bytes(): number {
    let bytes = this.step.bytes + this.seconds.bytes + this.tokens.bytes;
    for (const { rows, values } of this.metrics.values()) bytes += rows.bytes + values.bytes;
    return bytes;
  }

  column(metric: string): MetricColumn {
    const existing = this.metrics.get(metric);
    if (existing !== undefined) return existing;
    if (this.metrics.size === maxMetrics)
      throw new WorkbenchError("corrupt", `A metrics.jsonl names more than ${maxMetrics} metrics.`);
    const column = new MetricColumn();
    this.metrics.set(metric, column);
    return column;
  }

  /** Adds a row and returns its index, with which its values are pushed to their columns. */
  addRow(step: number, tokens: number, seconds: number): number {
    if (this.rows === maxRows)
      throw new WorkbenchError("corrupt", `A metrics.jsonl has more than ${maxRows} lines.`);
    this.step.push(step);
    this.tokens.push(tokens);
    this.seconds.push(seconds);
    return this.rows - 1;
  }

  addLine({ step, tokens, seconds, ...values }: MetricLine): void {
    const row = this.addRow(step, tokens ?? NaN, seconds);
    for (const [name, value] of Object.entries(values)) {
      const column = this.column(name);
      column.rows.push(row);
      column.values.push(value);
    }
  }
}
