/** The token ids that perplexity is measured on, and the windows that score them, for each protocol. */
import { WorkbenchError } from "../../protocol/errors";
import { countText, type TextCounts } from "../data/spaces";
import type { Split } from "../data/split";
import { getDocumentFrame, type Tokenizer } from "../data/tokenizers/tokenizer";
import { createWindows, splitWindow, type Window } from "./windows";

/** A text, or the texts of several documents. */
export interface PlainText {
  /** Ids of each document without special tokens around it. */
  readonly documents: readonly (readonly number[])[];
  readonly counts: TextCounts;
}

export interface TokenWindows {
  readonly ids: Int32Array;
  readonly windows: readonly Window[];
  /** Tokens that the model reads at once. */
  readonly time: number;
  /** Most tokens that a window scores. */
  readonly share: number;
}

/** Windows of Hugging Face's guide to perplexity: each scores the tokens that no earlier one has scored. */
export function createStridedWindows(ids: Int32Array, context: number, stride: number): TokenWindows {
  const time = Math.min(context, ids.length);
  const share = Math.min(stride, time - 1);
  const windows = [...createWindows(ids.length, context, stride)].flatMap((window) => [
    ...splitWindow(window, share),
  ]);
  return { ids, windows, time, share };
}

/** Windows of `context` tokens one after another, each without its first token; what does not fill a window is left out. */
export function createGptqWindows(ids: Int32Array, context: number): TokenWindows {
  const count = Math.floor(ids.length / context);
  if (count === 0)
    throw new WorkbenchError(
      "invalid-input",
      `The text has ${ids.length} tokens, which do not fill a window of ${context}. Provide more text, or lower context.`,
    );
  const windows = Array.from({ length: count }, (_, i) => ({
    start: i * context,
    from: i * context + 1,
    to: (i + 1) * context,
  }));
  return { ids, windows, time: context, share: context - 1 };
}

/** Each document from the prefix token on; windows do not overlap, except that the last reads as much as fits. */
export function createHarnessWindows(
  documents: readonly (readonly number[])[],
  prefix: number,
  context: number,
): TokenWindows {
  const ids: number[] = [];
  const windows: Window[] = [];
  for (const document of documents) {
    const first = ids.length;
    ids.push(prefix);
    for (const id of document) ids.push(id);
    for (let scored = 0; scored < document.length;) {
      const end = Math.min(scored + context, document.length);
      windows.push({
        start: first + Math.max(0, end - context),
        from: first + scored + 1,
        to: first + end + 1,
      });
      scored = end;
    }
  }
  const longest = documents.reduce((most, { length }) => Math.max(most, length), 0);
  const time = Math.min(context, longest);
  return { ids: Int32Array.from(ids), windows, time, share: time };
}

/** The documents of a split without the tokens that training puts around them. */
export function readPlainText(split: Split, tokenizer: Tokenizer, maxTokens: number): PlainText {
  const { before, after } = getDocumentFrame(tokenizer);
  const documents: number[][] = [];
  let left = maxTokens;
  for (let i = 0; i < split.documents && left > 0; i++) {
    const { start, end } = split.locateDocument(i);
    let ids = [...split.read(start, end - start)];
    if (before.length > 0 && before.every((id, at) => ids[at] === id)) ids = ids.slice(before.length);
    if (after.length > 0 && after.every((id, at) => ids[ids.length - after.length + at] === id))
      ids = ids.slice(0, -after.length);
    ids = ids.slice(0, left);
    left -= ids.length;
    documents.push(ids);
  }
  const { documents: count, counts } = split;
  const isWhole = documents.length === count && left > 0;
  return { documents, counts: isWhole ? counts : countDecoded(documents, tokenizer) };
}

function countDecoded(documents: readonly (readonly number[])[], tokenizer: Tokenizer): TextCounts {
  const total = { words: 0, lines: 0, bytes: 0 };
  for (const ids of documents) {
    const { words, lines, bytes } = countText(tokenizer.decode(ids));
    total.words += words;
    total.lines += lines;
    total.bytes += bytes;
  }
  return total;
}

/**
 * Words, lines and bytes of the text of the first ids of a split. Counted in the original text, because the ids of some
 * tokenizers do not decode to it; for a piece that is only partly used, counted in the decoded ids.
 */
export function countTextUnits(tokenizer: Tokenizer, split: Split, ids: Int32Array): TextCounts {
  const { before, after } = getDocumentFrame(tokenizer);
  const borders = new Set([...before, ...after]);
  const { counts, end: first } = split.countsWithin(ids.length);
  const total = { ...counts };
  for (let start = first; start < ids.length; start++) {
    let end = start;
    while (end < ids.length && !borders.has(ids[end]!)) end++;
    const { words, lines, bytes } = countText(tokenizer.decode(ids.subarray(start, end)));
    total.words += words;
    total.lines += lines;
    total.bytes += bytes;
    start = end;
  }
  return total;
}
