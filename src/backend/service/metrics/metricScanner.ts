/**
 * Parses the bytes of `metrics.jsonl` into columns. A run writes the same keys in the same order line after line, so
 * the keys of the last line are tried first; a line of any other form is parsed as ordinary JSON.
 */
import { parseMetricLine } from "../../runs/metrics/metricLine";
import type { MetricColumn, MetricColumns } from "./metricColumns";
import { NumberReader } from "./numberReader";

const newline = 10;
const quote = 34;
const comma = 44;
const colon = 58;
const open = 123;
const close = 125;
const backslash = 92;
const letterN = 110;

/** A key with its quotes and colon. */
interface Key {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly isMetric: boolean;
  /** Where its values are stored, once a whole line has been read. */
  column?: MetricColumn;
}

/** Limit of cached keys; with more, each line is parsed as ordinary JSON. */
const maxKeys = 10_000;

export class MetricScanner {
  bad = 0;
  private readonly reader = new NumberReader();
  private readonly known = new Map<string, Key>();
  /** The keys of the last line; the first `count` of them are those of the current line. */
  private readonly keys: Key[] = [];
  private readonly values: number[] = [];
  private count = 0;

  constructor(private readonly columns: MetricColumns) {}

  /** Accepts whole lines only. */
  scan(bytes: Buffer): void {
    for (let start = 0; start < bytes.length;) {
      const end = this.scanLine(bytes, start);
      if (end === -1) start = this.scanAny(bytes, start);
      else {
        this.commit();
        start = end;
      }
    }
  }

  private scanAny(bytes: Buffer, start: number): number {
    const end = bytes.indexOf(newline, start);
    const line = parseMetricLine(bytes.toString("utf8", start, end));
    if (line === undefined) this.bad++;
    else this.columns.addLine(line);
    return end + 1;
  }

  /** Reads a line of the usual form and returns the start of the next, or -1 if it has another form. */
  private scanLine(bytes: Buffer, start: number): number {
    const { keys, values, reader } = this;
    if (bytes[start] !== open) return -1;
    let at = start + 1;
    for (let place = 0; ; place++, at++) {
      let key = keys[place];
      if (key === undefined || !startsWith(bytes, at, key.bytes)) {
        key = this.keyAt(bytes, at);
        if (key === undefined) return -1;
        keys[place] = key;
      }
      at += key.bytes.length;
      if (bytes[at] === letterN) {
        if (!key.isMetric || bytes.toString("latin1", at, at + 4) !== "null") return -1;
        values[place] = NaN;
        at += 4;
      } else {
        values[place] = reader.read(bytes, at);
        at = reader.end;
        if (at === -1) return -1;
      }
      if (bytes[at] === comma) continue;
      this.count = place + 1;
      return bytes[at] === close && bytes[at + 1] === newline ? at + 2 : -1;
    }
  }

  private keyAt(bytes: Buffer, at: number): Key | undefined {
    if (bytes[at] !== quote) return undefined;
    const end = bytes.indexOf(quote, at + 1);
    if (end === -1 || bytes[end + 1] !== colon) return undefined;
    const raw = bytes.subarray(at, end + 2);
    if (raw.some((byte) => byte < 32 || byte === backslash)) return undefined;
    const text = raw.toString("latin1");
    const existing = this.known.get(text);
    if (existing !== undefined) return existing;
    const name = raw.toString("utf8", 1, raw.length - 2);
    // Anything else is left to the general parser.
    const isMetric = name.includes("/");
    if (!isMetric && name !== "step" && name !== "tokens" && name !== "seconds") return undefined;
    if (this.known.size === maxKeys) return undefined;
    const key: Key = { bytes: Uint8Array.from(raw), name, isMetric };
    this.known.set(text, key);
    return key;
  }

  private commit(): void {
    const { keys, values, columns, count } = this;
    let step = NaN;
    let tokens = NaN;
    let seconds = NaN;
    for (let i = 0; i < count; i++) {
      const { name, isMetric } = keys[i]!;
      if (isMetric) continue;
      if (name === "step") step = values[i]!;
      else if (name === "tokens") tokens = values[i]!;
      else seconds = values[i]!;
    }
    if (Number.isNaN(step) || Number.isNaN(seconds)) {
      this.bad++;
      return;
    }
    const row = columns.addRow(step, tokens, seconds);
    for (let i = 0; i < count; i++) {
      const key = keys[i]!;
      if (!key.isMetric) continue;
      const column = (key.column ??= columns.column(key.name));
      // The last of duplicate keys wins, as in JSON.parse.
      if (column.rows.last === row) column.values.replaceLast(values[i]!);
      else {
        column.rows.push(row);
        column.values.push(values[i]!);
      }
    }
  }
}

function startsWith(bytes: Buffer, at: number, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}
