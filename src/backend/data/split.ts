/**
 * The tokens of one split as if they lay end to end, and batches of training sequences out of them.
 * Only positions are kept in memory; ids are read from the token file when they are asked for.
 */
import { WorkbenchError } from "../../protocol/errors";
import { type Documents, findLastAtMost, type Layout, pack, type Packed } from "./packing";
import type { PieceRange } from "./partition";
import type { TextCounts } from "./spaces";
import type { PairSide, TokenFile } from "./tokenFile";

/** Label of a position that no loss counts. */
export const IGNORED = -100;

/** Row-major, [rows, length]. */
export interface Batch {
  readonly rows: number;
  readonly length: number;
  readonly tokens: Int32Array;
  /** The token after each token, or IGNORED: padding, prompts, the step over a document border under a document mask. */
  readonly labels: Int32Array;
  /** Of rows labelled with numbers: the number where `labels` is 0, else 0. */
  readonly targets?: Float32Array;
  /** Equal numbers of a row attend to each other; documents count from 1, padding is 0. Absent: one text a row. */
  readonly segments?: Int32Array;
  /** Of pairs: 1 in the second text. Only encoders read it. */
  readonly types?: Int32Array;
  /** Positions counted from the start of each document in a row; absent: 0, 1, 2, … */
  readonly positions?: Int32Array;
}

/** Number of labels of a batch that the loss counts. */
export function countLossLabels({ labels }: Batch): number {
  let counted = 0;
  for (const label of labels) if (label !== IGNORED) counted++;
  return counted;
}

/** What the last token of a labelled row is: its place in a list of class numbers, or of numbers to predict. */
export interface LabelValues {
  readonly kind: "classes" | "regression";
  readonly values: readonly number[];
}

export interface SplitSummary extends TextCounts {
  readonly documents: number;
  readonly tokens: number;
  readonly sequences: number;
  /** Labels that count, where not all do: prompts, and what is not the assistant's in a conversation, have none. */
  readonly labels?: number;
}

export class Split {
  readonly tokens: number;
  readonly sequences: number;
  readonly counts: TextCounts;
  readonly documents: number;
  /** Start of each run of this split's own tokens and in the file; the last entry of the first is `tokens`. */
  readonly #runStarts: Float64Array;
  readonly #fileStarts: Float64Array;
  /** First token of each document, then `tokens`. */
  readonly #documentStarts: Float64Array;
  /** Length of each document in characters; only when packing by characters. */
  readonly #characters: Float64Array | undefined;
  /** Start, end, start, end, … of tokens that no loss counts. */
  readonly #masked: Float64Array;
  /** The same of tokens whose type is 1. */
  readonly #second: Float64Array;
  /** All documents in their order. */
  readonly #packed: Packed;
  /** Sequences that are left out, because no label of theirs counts: a prompt fills them. */
  readonly withoutLabel: number;
  /** Labels that count in all sequences; undefined where no token is masked. */
  readonly labels: number | undefined;

  constructor(
    readonly file: TokenFile,
    readonly ranges: readonly PieceRange[],
    readonly layout: Layout,
    private readonly labelValues?: LabelValues,
    /** Of preference pairs: the answer that the documents have. */
    readonly side?: PairSide,
  ) {
    const fileStarts: number[] = [];
    const runStarts: number[] = [];
    const documentStarts: number[] = [];
    const documentCharacters: number[] = [];
    const masked: number[] = [];
    const second: number[] = [];
    let tokenCount = 0;
    let bytes = 0;
    let words = 0;
    let lines = 0;
    let piece = 0;
    let position = 0;
    let begins = true;
    for (const { start, end } of ranges) {
      for (; piece < start; piece++) position += file.row(piece).tokens;
      let isRun = false;
      for (; piece < end; piece++) {
        const row = file.row(piece);
        if (row.side !== side) {
          begins ||= row.endsDocument;
          position += row.tokens;
          isRun = false;
          continue;
        }
        if (!isRun) {
          runStarts.push(tokenCount);
          fileStarts.push(position);
          isRun = true;
        }
        if (begins) {
          documentStarts.push(tokenCount);
          if (layout.characters !== undefined) documentCharacters.push(0);
        }
        begins = row.endsDocument;
        if (layout.characters !== undefined)
          documentCharacters[documentCharacters.length - 1]! += row.characters;
        if (row.masked) masked.push(tokenCount, tokenCount + row.tokens);
        if (row.tokenType === 1) second.push(tokenCount, tokenCount + row.tokens);
        tokenCount += row.tokens;
        position += row.tokens;
        bytes += row.bytes;
        words += row.words;
        lines += row.lines;
      }
    }
    this.tokens = tokenCount;
    this.counts = { bytes, words, lines };
    this.documents = documentStarts.length;
    this.#runStarts = Float64Array.from([...runStarts, tokenCount]);
    this.#fileStarts = Float64Array.from(fileStarts);
    documentStarts.push(tokenCount);
    this.#documentStarts = Float64Array.from(documentStarts);
    this.#characters = layout.characters === undefined ? undefined : Float64Array.from(documentCharacters);
    this.#masked = Float64Array.from(masked);
    this.#second = Float64Array.from(second);
    const all = this.#packAll();
    const { packed, labels } = this.#labelled(all);
    this.#packed = packed;
    this.labels = this.#masked.length === 0 ? undefined : labels;
    this.sequences = this.#packed.sequences;
    this.withoutLabel = all.sequences - this.sequences;
  }

  get summary(): SplitSummary {
    const { documents, tokens, sequences, labels } = this;
    return { documents, tokens, sequences, ...this.counts, ...(labels === undefined ? {} : { labels }) };
  }

  /** The same rows, whose labels are what a model means by them. */
  withLabels(values: LabelValues): Split {
    return new Split(this.file, this.ranges, this.layout, values, this.side);
  }

  /** Sizes of the text of all pieces that end within the first `tokens` tokens, and where the last of them ends. */
  countsWithin(tokens: number): { readonly counts: TextCounts; readonly end: number } {
    const counts = { bytes: 0, words: 0, lines: 0 };
    let end = 0;
    for (const { start, end: last } of this.ranges)
      for (let piece = start; piece < last; piece++) {
        const row = this.file.row(piece);
        if (row.side !== this.side) continue;
        if (end + row.tokens > tokens) return { counts, end };
        end += row.tokens;
        for (const key of ["bytes", "words", "lines"] as const) counts[key] += row[key];
      }
    return { counts, end };
  }

  /**
   * Sequences of the documents of `order`, by default of all in their own, in this split's layout; those without a label
   * that counts are left out.
   */
  pack(order?: Uint32Array): Packed {
    return this.#labelled(this.#packAll(order)).packed;
  }

  /** The sequences with labels, and how many labels they have where tokens are masked. */
  #labelled(packed: Packed): { packed: Packed; labels: number } {
    if (this.#masked.length === 0) return { packed, labels: 0 };
    const labeled: number[] = [];
    let labels = 0;
    for (let sequence = 0; sequence < packed.sequences; sequence++) {
      const count = this.#countLabels(packed, sequence);
      labels += count;
      if (count > 0) labeled.push(sequence);
    }
    return {
      packed: {
        sequences: labeled.length,
        stretches: (sequence) => packed.stretches(labeled[sequence] ?? -1),
      },
      labels,
    };
  }

  /** How many labels `#fill` sets in the sequence. */
  #countLabels(packed: Packed, sequence: number): number {
    const { sequenceLength, documentMask, trainOnPadding } = this.layout;
    let filled = 0;
    let labels = 0;
    for (const { document, from, count } of packed.stretches(sequence)) {
      // Nothing predicts the first token of a sequence, nor of a document under a document mask.
      const skipped = filled === 0 || documentMask ? 1 : 0;
      const start = this.#documentStarts[document]! + from + skipped;
      const marks = new Uint8Array(Math.max(0, count - skipped)).fill(1);
      fillWhere(this.#masked, start, marks.length, marks, 0, 0);
      for (const mark of marks) labels += mark;
      filled += count;
    }
    // Padding is a label from the last token on, except in the last place, where nothing follows.
    return labels + (trainOnPadding ? Math.max(0, sequenceLength - Math.max(filled, 1)) : 0);
  }

  #packAll(order?: Uint32Array): Packed {
    const starts = this.#documentStarts;
    const documents: Documents = {
      count: this.documents,
      tokens: (document) => starts[document + 1]! - starts[document]!,
      characters: (document) => this.#characters![document]!,
    };
    return pack(documents, this.layout, order);
  }

  /** Documents that packing by characters leaves out, because one alone would fill a sequence. */
  get tooLong(): number {
    const { characters: limit = Infinity } = this.layout;
    return this.#characters?.reduce((count, length) => (length >= limit ? count + 1 : count), 0) ?? 0;
  }

  /** Where the tokens of a document are. */
  locateDocument(document: number): { readonly start: number; readonly end: number } {
    return { start: this.#documentStarts[document]!, end: this.#documentStarts[document + 1]! };
  }

  /** `count` tokens from position `from` of this split on. */
  read(from: number, count: number): Int32Array {
    const ids = new Int32Array(count);
    this.#readInto(ids, 0, from, count);
    return ids;
  }

  /** The given sequences as rows; −1 gives a row of padding, which fills up a batch of fixed size. */
  batch(indices: readonly number[], packed = this.#packed): Batch {
    const { sequenceLength: length, packing, documentMask, padding } = this.layout;
    const size = indices.length * length;
    const tokens = new Int32Array(size).fill(padding);
    const labels = new Int32Array(size).fill(IGNORED);
    const segments = documentMask || !packing ? new Int32Array(size) : undefined;
    const positions = documentMask && packing ? new Int32Array(size) : undefined;
    const types = this.layout.types === true ? new Int32Array(size) : undefined;
    const targets = this.labelValues?.kind === "regression" ? new Float32Array(size) : undefined;
    for (const [row, index] of indices.entries()) {
      if (index === -1) continue;
      const [at, end] = [row * length, (row + 1) * length];
      this.#fill(index, packed, {
        tokens: tokens.subarray(at, end),
        labels: labels.subarray(at, end),
        segments: segments?.subarray(at, end),
        types: types?.subarray(at, end),
        positions: positions?.subarray(at, end),
        targets: targets?.subarray(at, end),
      });
    }
    return {
      rows: indices.length,
      length,
      tokens,
      labels,
      ...(segments === undefined ? {} : { segments }),
      ...(types === undefined ? {} : { types }),
      ...(positions === undefined ? {} : { positions }),
      ...(targets === undefined ? {} : { targets }),
    };
  }

  /** The first `most` sequences in order, in batches of `rows`; the last batch is filled up with rows of padding. */
  *batches(rows: number, most = Infinity): Generator<Batch> {
    const count = Math.min(most, this.sequences);
    for (let first = 0; first < count; first += rows)
      yield this.batch(Array.from({ length: rows }, (_, i) => (first + i < count ? first + i : -1)));
  }

  /** One sequence into one row, whose labels are all ignored and whose tokens are all padding so far. */
  #fill(index: number, packed: Packed, row: Row): void {
    if (!Number.isInteger(index) || index < 0 || index >= packed.sequences)
      throw new WorkbenchError("internal", `There is no sequence ${index} among ${packed.sequences}.`);
    const {
      sequenceLength: length,
      documentMask,
      padding,
      trainOnPadding,
      characters,
      readsLast,
    } = this.layout;
    const ids = new Int32Array(length + 1);
    const owners = new Int32Array(length + 1);
    const places = new Int32Array(length + 1);
    const counts = new Uint8Array(length + 1).fill(1);
    const types = new Uint8Array(length + 1);
    let filled = 0;
    let owner = 0;
    for (const { document, from, count } of packed.stretches(index)) {
      const start = this.#documentStarts[document]! + from;
      this.#readInto(ids, filled, start, count);
      fillWhere(this.#masked, start, count, counts, filled, 0);
      fillWhere(this.#second, start, count, types, filled, 1);
      owners.fill(++owner, filled, filled + count);
      for (let i = 0; i < count; i++) places[filled + i] = i;
      filled += count;
    }
    // The last token has nothing to predict, unless padding follows that the loss counts, or it is the sequence's own.
    const fed = Math.min(
      length,
      trainOnPadding || characters !== undefined || readsLast === true ? filled : filled - 1,
    );
    row.tokens.set(ids.subarray(0, fed));
    row.types?.set(types.subarray(0, fed));
    row.positions?.set(places.subarray(0, fed));
    row.segments?.set(documentMask ? owners.subarray(0, fed) : new Int32Array(fed).fill(1));
    for (let i = 0; i < length; i++)
      if (i + 1 < filled) {
        const crosses = documentMask && owners[i] !== owners[i + 1];
        if (!crosses && counts[i + 1] === 1) this.#label(row, i, ids[i + 1]!);
      } else if (trainOnPadding && i + 1 < length) row.labels[i] = padding;
  }

  #label(row: Row, at: number, id: number): void {
    if (this.labelValues === undefined) row.labels[at] = id;
    else if (row.targets === undefined) row.labels[at] = this.labelValues.values[id]!;
    else {
      row.labels[at] = 0;
      row.targets[at] = this.labelValues.values[id]!;
    }
  }

  #readInto(ids: Int32Array, at: number, from: number, count: number): void {
    if (from < 0 || count < 0 || from + count > this.tokens)
      throw new WorkbenchError(
        "internal",
        `Tokens ${from} to ${from + count} were asked for, but the split has ${this.tokens}.`,
      );
    let run = findLastAtMost(this.#runStarts, from);
    for (let done = 0; done < count; run++) {
      const skip = from + done - this.#runStarts[run]!;
      const take = Math.min(count - done, this.#runStarts[run + 1]! - this.#runStarts[run]! - skip);
      this.file.read(this.#fileStarts[run]! + skip, take, ids, at + done);
      done += take;
    }
  }
}

/** Writes `value` at each of `count` places from `at` on whose token, counted from `from`, is in the ranges start, end, start, … */
function fillWhere(
  ranges: Float64Array,
  from: number,
  count: number,
  into: Uint8Array,
  at: number,
  value: number,
): void {
  let i = Math.max(0, findLastAtMost(ranges, from)) & ~1;
  for (; i < ranges.length && ranges[i]! < from + count; i += 2) {
    const start = Math.max(ranges[i]! - from, 0);
    const end = Math.min(ranges[i + 1]! - from, count);
    if (start < end) into.fill(value, at + start, at + end);
  }
}

/** The part of a batch that is one sequence. */
interface Row {
  readonly tokens: Int32Array;
  readonly labels: Int32Array;
  readonly segments: Int32Array | undefined;
  readonly types: Int32Array | undefined;
  readonly positions: Int32Array | undefined;
  readonly targets: Float32Array | undefined;
}
