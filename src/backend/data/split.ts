/**
 * The tokens of one split as if they lay end to end, and batches of training sequences out of them.
 * Only positions are kept in memory; ids are read from the token file when they are asked for.
 */
import { WorkbenchError } from "../../protocol/errors";
import type { PieceRange } from "./partition";
import type { TextCounts } from "./spaces";
import type { TokenFile } from "./tokenFile";

/** Label of a position that no loss counts. */
export const IGNORED = -100;

/** Row-major, [rows, length]. */
export interface Batch {
  readonly rows: number;
  readonly length: number;
  readonly tokens: Int32Array;
  /** The token after each token, or IGNORED: padding, prompts, the step over a document border under a document mask. */
  readonly labels: Int32Array;
  /** Equal numbers of a row attend to each other; documents count from 1, padding is 0. Absent: one text a row. */
  readonly segments?: Int32Array;
  /** Positions counted from the start of each document in a row; absent: 0, 1, 2, … */
  readonly positions?: Int32Array;
}

export interface Layout {
  /** Tokens of a sequence that go into the model; the labels reach one further. */
  readonly sequenceLength: number;
  /** Documents end to end; otherwise each begins a sequence of its own, and its last one is padded. */
  readonly packing: boolean;
  readonly documentMask: boolean;
  /** Stands in padding; no loss and no other token sees it. */
  readonly padding: number;
}

export interface SplitSummary extends TextCounts {
  readonly documents: number;
  readonly tokens: number;
  readonly sequences: number;
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
  /** Start, end, start, end, … of tokens that no loss counts. */
  readonly #masked: Float64Array;
  /** Number of the first sequence of each document, then `sequences`; only without packing. */
  readonly #documentSequences: Float64Array | undefined;

  constructor(
    readonly file: TokenFile,
    ranges: readonly PieceRange[],
    readonly layout: Layout,
  ) {
    const fileStarts: number[] = [];
    const runStarts: number[] = [];
    const documentStarts: number[] = [];
    const masked: number[] = [];
    let own = 0;
    let bytes = 0;
    let words = 0;
    let lines = 0;
    let piece = 0;
    let position = 0;
    let begins = true;
    for (const { start, end } of ranges) {
      for (; piece < start; piece++) position += file.row(piece).tokens;
      runStarts.push(own);
      fileStarts.push(position);
      for (; piece < end; piece++) {
        const row = file.row(piece);
        if (begins) documentStarts.push(own);
        begins = row.endsDocument;
        if (row.masked) masked.push(own, own + row.tokens);
        own += row.tokens;
        position += row.tokens;
        bytes += row.bytes;
        words += row.words;
        lines += row.lines;
      }
    }
    this.tokens = own;
    this.counts = { bytes, words, lines };
    this.documents = documentStarts.length;
    this.#runStarts = Float64Array.from([...runStarts, own]);
    this.#fileStarts = Float64Array.from(fileStarts);
    documentStarts.push(own);
    this.#documentStarts = Float64Array.from(documentStarts);
    this.#masked = Float64Array.from(masked);
    if (layout.packing) this.sequences = Math.max(0, Math.floor((own - 1) / layout.sequenceLength));
    else {
      this.#documentSequences = sequencesOf(this.#documentStarts, layout.sequenceLength);
      this.sequences = this.#documentSequences.at(-1)!;
    }
  }

  get summary(): SplitSummary {
    const { documents, tokens, sequences } = this;
    return { documents, tokens, sequences, ...this.counts };
  }

  /** `count` tokens from position `from` of this split on. */
  read(from: number, count: number): Int32Array {
    if (from < 0 || count < 0 || from + count > this.tokens)
      throw new WorkbenchError(
        "internal",
        `Tokens ${from} to ${from + count} were asked for, but the split has ${this.tokens}.`,
      );
    const ids = new Int32Array(count);
    let run = lastAtMost(this.#runStarts, from);
    for (let done = 0; done < count; run++) {
      const skip = from + done - this.#runStarts[run]!;
      const take = Math.min(count - done, this.#runStarts[run + 1]! - this.#runStarts[run]! - skip);
      this.file.read(this.#fileStarts[run]! + skip, take, ids, done);
      done += take;
    }
    return ids;
  }

  /** The given sequences as rows; −1 gives a row of padding, which fills up a batch of fixed size. */
  batch(indices: readonly number[]): Batch {
    const { sequenceLength: length, packing, documentMask, padding } = this.layout;
    const size = indices.length * length;
    const tokens = new Int32Array(size).fill(padding);
    const labels = new Int32Array(size).fill(IGNORED);
    const segments = documentMask || !packing ? new Int32Array(size) : undefined;
    const positions = documentMask && packing ? new Int32Array(size) : undefined;
    for (const [row, index] of indices.entries()) {
      if (index === -1) continue;
      const { start, count } = this.#extent(index);
      const at = row * length;
      const ids = this.read(start, count + 1);
      tokens.set(ids.subarray(0, count), at);
      labels.set(ids.subarray(1), at);
      this.#ignoreMasked(start + 1, count, labels, at);
      if (positions !== undefined && segments !== undefined)
        this.#divide(start, count, at, labels, segments, positions);
      else segments?.fill(1, at, at + count);
    }
    return {
      rows: indices.length,
      length,
      tokens,
      labels,
      ...(segments === undefined ? {} : { segments }),
      ...(positions === undefined ? {} : { positions }),
    };
  }

  /** All sequences in order, in batches of `rows`; the last one is filled up with rows of padding. */
  *batches(rows: number, most = Infinity): Generator<Batch> {
    const batches = Math.min(most, Math.ceil(this.sequences / rows));
    for (let batch = 0; batch < batches; batch++)
      yield this.batch(
        Array.from({ length: rows }, (_, i) => (batch * rows + i < this.sequences ? batch * rows + i : -1)),
      );
  }

  /** Where a sequence begins, and how many tokens it feeds to the model. */
  #extent(index: number): { start: number; count: number } {
    const { sequenceLength } = this.layout;
    if (!Number.isInteger(index) || index < 0 || index >= this.sequences)
      throw new WorkbenchError("internal", `There is no sequence ${index}; the split has ${this.sequences}.`);
    if (this.#documentSequences === undefined)
      return { start: index * sequenceLength, count: sequenceLength };
    const document = lastAtMost(this.#documentSequences, index);
    const start =
      this.#documentStarts[document]! + (index - this.#documentSequences[document]!) * sequenceLength;
    return { start, count: Math.min(sequenceLength, this.#documentStarts[document + 1]! - 1 - start) };
  }

  /** `from` is the position of the first label's token. */
  #ignoreMasked(from: number, count: number, labels: Int32Array, at: number): void {
    const masked = this.#masked;
    if (masked.length === 0) return;
    let i = Math.max(0, lastAtMost(masked, from)) & ~1;
    for (; i < masked.length && masked[i]! < from + count; i += 2) {
      const start = Math.max(masked[i]! - from, 0);
      const end = Math.min(masked[i + 1]! - from, count);
      if (start < end) labels.fill(IGNORED, at + start, at + end);
    }
  }

  /** Numbers the documents of a row, and ignores the labels that lie in another document than their token. */
  #divide(
    start: number,
    count: number,
    at: number,
    labels: Int32Array,
    segments: Int32Array,
    positions: Int32Array,
  ): void {
    let document = lastAtMost(this.#documentStarts, start);
    let segment = 1;
    let first = start;
    for (let i = 0; i < count; i++) {
      if (start + i >= this.#documentStarts[document + 1]!) {
        document = lastAtMost(this.#documentStarts, start + i);
        segment++;
        first = start + i;
        if (i > 0) labels[at + i - 1] = IGNORED;
      }
      segments[at + i] = segment;
      positions[at + i] = start + i - first;
    }
    if (start + count >= this.#documentStarts[document + 1]!) labels[at + count - 1] = IGNORED;
  }
}

function sequencesOf(documentStarts: Float64Array, sequenceLength: number): Float64Array {
  const first = new Float64Array(documentStarts.length);
  for (let document = 0; document + 1 < documentStarts.length; document++) {
    const predicted = documentStarts[document + 1]! - documentStarts[document]! - 1;
    first[document + 1] = first[document]! + Math.ceil(Math.max(0, predicted) / sequenceLength);
  }
  return first;
}

/** Index of the last entry of a rising list that is at most `value`; −1 when all are greater. */
function lastAtMost(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
