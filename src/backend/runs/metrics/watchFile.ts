/**
 * The histograms of a training on disk: `histograms.jsonl` in the step's folder. A line lists tensors, or holds the rows of one
 * kind at one step. Long trainings keep every second record, every fourth and so on, so that the file stays bounded.
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { binCount, getTensorKey, type Spread, type WatchedTensor } from "../../../protocol/watch";
import { type WatchedKind, watchedKinds } from "../../../schema/watch";
import type { WatchRecord } from "../../training/watch";
import { writeAtomic } from "../folder/atomicFile";
import { LineTail } from "./lineTail";
import { appendFlags } from "./metricsWriter";

export const watchFileName = "histograms.jsonl";

/** More records than this, or more bytes, and every second record is dropped. */
export const maxRecords = 200;
const maxBytes = 32 * 2 ** 20;
/** A reader skips longer lines. Hundreds of thousands of numbers fit in one. */
const maxLineBytes = 4 * 2 ** 20;

/** A line as the writer needs it. */
interface Line {
  readonly text: string;
  readonly stride?: number;
  readonly tensors?: readonly WatchedTensor[];
  readonly step?: number;
  readonly turn?: number;
}

export class WatchWriter implements Disposable {
  private descriptor: number;
  private tensors: WatchedTensor[] = [];
  private readonly places = new Map<string, number>();
  private turns = new Set<number>();
  private bytes = 0;
  /** Only every so many-th record is kept. */
  private stride = 1;

  /** Keeps the records of an interrupted training up to `step`, where it resumes; -1 starts over. */
  constructor(
    private readonly path: string,
    step: number,
    private readonly limits = { records: maxRecords, bytes: maxBytes },
  ) {
    this.descriptor = openSync(path, appendFlags, 0o666);
    this.rewrite(
      step < 0 ? [] : this.readLines().filter((line) => line.step === undefined || line.step <= step),
    );
  }

  append({ step, turn, isLast, spreads }: WatchRecord): void {
    if (turn % this.stride !== 0 && !isLast) return;
    // What was the last step before the run was extended is an ordinary one now.
    if ([...this.turns].some((each) => each % this.stride !== 0)) this.keepTurns(() => false);
    const added = spreads
      .filter(({ tensor }) => !this.places.has(getTensorKey(tensor)))
      .map(({ tensor }) => tensor);
    this.addTensors(added);
    const lines = added.length === 0 ? "" : formatLine({ tensors: added });
    const records = watchedKinds.map((what) => {
      const rows = spreads.filter(({ tensor }) => tensor.what === what);
      if (rows.length === 0) return "";
      return formatLine({ what, step, turn, rows: rows.map((each) => this.toRow(each)) });
    });
    this.write(Buffer.from(lines + records.join("")));
    this.turns.add(turn);
    if (this.isFull) this.thin();
  }

  private toRow({ tensor, spread }: WatchRecord["spreads"][number]): readonly number[] {
    const { mean, deviation, min, max, notFinite, first, counts } = spread;
    return [this.places.get(getTensorKey(tensor))!, mean, deviation, min, max, notFinite, first, ...counts];
  }

  private get isFull(): boolean {
    return this.turns.size > this.limits.records || this.bytes > this.limits.bytes;
  }

  /** Keeps every second record, and the newest. */
  private thin(): void {
    while (this.isFull && this.turns.size > 2) {
      this.stride *= 2;
      const newest = Math.max(...this.turns);
      this.keepTurns((turn) => turn === newest);
    }
  }

  /** Drops the records whose number the stride passes over. */
  private keepTurns(isExempt: (turn: number) => boolean): void {
    const keeps = ({ turn }: Line) => turn === undefined || turn % this.stride === 0 || isExempt(turn);
    this.rewrite(this.readLines().filter(keeps));
  }

  /** Whole lines of the file; those that are damaged are left out. */
  private readLines(): Line[] {
    return readFileSync(this.path, "utf8")
      .split("\n")
      .slice(0, -1)
      .flatMap((text) => {
        const parsed = parseLine(text);
        return parsed === undefined ? [] : [{ ...parsed, text }];
      });
  }

  /** A new file under the same name: a reader of the old one sees that it was replaced. */
  private rewrite(lines: readonly Line[]): void {
    this.tensors = [];
    this.places.clear();
    this.addTensors(lines.flatMap(({ tensors = [] }) => tensors));
    this.stride = Math.max(this.stride, ...lines.map(({ stride = 1 }) => stride));
    this.turns = new Set(lines.flatMap(({ turn }) => turn ?? []));
    const records = lines.filter(({ step }) => step !== undefined).map(({ text }) => `${text}\n`);
    const head = formatLine({ stride: this.stride }) + formatLine({ tensors: this.tensors });
    closeSync(this.descriptor);
    writeAtomic(this.path, head + records.join(""), { durable: true });
    this.descriptor = openSync(this.path, appendFlags);
    this.bytes = fstatSync(this.descriptor).size;
  }

  private addTensors(tensors: readonly WatchedTensor[]): void {
    for (const tensor of tensors) {
      this.places.set(getTensorKey(tensor), this.tensors.length);
      this.tensors.push(tensor);
    }
  }

  private write(bytes: Uint8Array): void {
    let count: number;
    try {
      count = writeSync(this.descriptor, bytes);
    } catch (thrown) {
      throw toWorkbenchError(thrown, this.path);
    }
    if (count < bytes.length) {
      ftruncateSync(this.descriptor, fstatSync(this.descriptor).size - count);
      throw new WorkbenchError(
        "disk-full",
        `The disk is full (${this.path}). Free some space, then resume the run.`,
      );
    }
    this.bytes += count;
  }

  sync(): void {
    fsyncSync(this.descriptor);
  }

  [Symbol.dispose](): void {
    closeSync(this.descriptor);
  }
}

const formatLine = (line: object) => `${JSON.stringify(line)}\n`;

interface ParsedLine {
  readonly stride?: number;
  readonly tensors?: readonly WatchedTensor[];
  readonly what?: WatchedKind;
  readonly step?: number;
  readonly turn?: number;
  readonly rows?: readonly (readonly number[])[];
}

/** Undefined for text that is not a line of this file. */
function parseLine(text: string): ParsedLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { stride, tensors, what, step, turn, rows } = value as Readonly<Record<string, unknown>>;
  if (isCount(stride)) return { stride };
  if (Array.isArray(tensors)) return tensors.every(isTensor) ? { tensors } : undefined;
  if (!isKind(what) || !isCount(step) || typeof turn !== "number" || !Array.isArray(rows)) return undefined;
  return rows.every(isRow) ? { what, step, turn, rows } : undefined;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isKind = (value: unknown): value is WatchedKind => watchedKinds.includes(value as WatchedKind);
const isText = (value: unknown): value is string => typeof value === "string" && value.length < 1000;

function isTensor(value: unknown): value is WatchedTensor {
  const { what, name, role, group, layer } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return isKind(what) && [name, role, group].every(isText) && (layer === undefined || isCount(layer));
}

function isRow(value: unknown): value is readonly number[] {
  if (!Array.isArray(value) || !value.every((each) => typeof each === "number")) return false;
  const [place, , , , , notFinite, first, ...counts] = value;
  return (
    [place, notFinite, first, ...counts].every(isCount) &&
    value.length >= 7 &&
    first! + counts.length <= binCount
  );
}

export interface WatchedRow {
  readonly step: number;
  readonly tensor: WatchedTensor;
  readonly spread: Spread;
}

export interface WatchHistory {
  readonly tensors: readonly WatchedTensor[];
  /** In the order of steps. */
  readonly rows: readonly WatchedRow[];
}

/** Reads a file while a run may append to it; empty if there is none. Only rows of the wanted tensors are kept. */
export async function readWatchFile(
  path: string,
  isWanted: (tensor: WatchedTensor) => boolean,
  signal: AbortSignal,
): Promise<WatchHistory> {
  const tail = new LineTail(path, maxLineBytes);
  let tensors: WatchedTensor[] = [];
  let rows: WatchedRow[] = [];
  for (;;) {
    signal.throwIfAborted();
    const chunk = await tail.next();
    if (chunk.restarted) [tensors, rows] = [[], []];
    for (const text of chunk.bytes.toString("utf8").split("\n")) {
      // Most of the file is of other kinds.
      const kind = /^\{"what":"(\w+)"/.exec(text)?.[1];
      if (kind !== undefined && !tensors.some((each) => each.what === kind && isWanted(each))) continue;
      const line = text === "" ? undefined : parseLine(text);
      tensors.push(...(line?.tensors ?? []));
      for (const [place, mean, deviation, min, max, notFinite, first, ...counts] of line?.rows ?? []) {
        const tensor = tensors[place!];
        if (tensor === undefined || !isWanted(tensor)) continue;
        const spread = { mean, deviation, min, max, notFinite, first, counts } as Spread;
        rows.push({ step: line!.step!, tensor, spread });
      }
    }
    if (!chunk.more) return { tensors, rows };
  }
}
