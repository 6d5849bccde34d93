/**
 * Reads the tokenizer files of llama2.c (`tokenizer.bin`): SentencePiece pieces with scores, spaces written as spaces.
 * Encoding repeatedly merges the adjacent pair whose union is the piece with the best score. Characters without a piece
 * become byte tokens.
 */
import { createHash } from "node:crypto";
import { WorkbenchError } from "../../../protocol/errors";
import { IdList, WordMemo } from "./idList";
import { encodeByCharacter, type Tokenizer } from "./tokenizer";

const BOS = 1;
const FIRST_BYTE = 3;
const FIRST_PIECE = FIRST_BYTE + 256;
const MAX_PIECE_BYTES = 4096;

export function createLlama2cTokenizer(id: string, file: Uint8Array): Tokenizer {
  const { pieces, scores } = parseLlama2cVocabulary(id, file);
  // Control and byte tokens are excluded: the text "<s>" or "<0x41>" must not turn into one.
  const idOf = new Map<string, number>();
  for (let piece = pieces.length - 1; piece >= FIRST_PIECE; piece--) idOf.set(pieces[piece]!, piece);
  const merge = (symbols: string): Int32Array => mergePieces(symbols, idOf, scores);
  // Where no piece reaches over the start of a word, words are independent of each other.
  const independentWords = !pieces.slice(FIRST_PIECE).some((piece) => /[^ ] /.test(piece));
  const words = new WordMemo(merge);

  return {
    id,
    vocabSize: pieces.length,
    // Stories follow each other with this one token between them, and generation ends when it comes.
    endOfText: BOS,
    bos: BOS,
    hash: createHash("sha256").update("llama2c").update(file).digest("hex"),
    cuts: independentWords ? { space: "dropped", line: false, addedTokens: [] } : undefined,
    notices: [],
    files: { "tokenizer.bin": file },
    ...encodeByCharacter((text) => {
      if (text === "") return new Int32Array(0);
      const prefixed = ` ${text}`;
      if (!independentWords) return merge(prefixed);
      const ids = new IdList(prefixed.length);
      for (const [word] of prefixed.matchAll(/ *[^ ]+| +$/g)) ids.append(words.ids(word));
      return ids.take();
    }),
    nameOf: (token) => pieces[token],
    decode(ids) {
      const parts: Buffer[] = [];
      for (let i = 0; i < ids.length; i++) {
        const token = ids[i]!;
        if (token >= FIRST_PIECE && token < pieces.length) parts.push(Buffer.from(pieces[token]!));
        else if (token >= FIRST_BYTE && token < FIRST_PIECE) parts.push(Buffer.from([token - FIRST_BYTE]));
      }
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(parts));
      return text.startsWith(" ") ? text.slice(1) : text;
    },
  };
}

export interface Llama2cVocabulary {
  /** The text of each token, with spaces as spaces. */
  readonly pieces: string[];
  readonly scores: number[];
}

export function parseLlama2cVocabulary(id: string, file: Uint8Array): Llama2cVocabulary {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const corruptError = (why: string): WorkbenchError =>
    new WorkbenchError(
      "invalid-input",
      `${id} is not a llama2.c tokenizer file: ${why}. Such a file is made by llama2.c's tokenizer.py; ` +
        "another kind of tokenizer is read from its tokenizer.json.",
    );
  const pieces: string[] = [];
  const scores: number[] = [];
  // The header is the length of the longest piece. There is no count: pieces continue to the end of the file.
  if (bytes.length < 4 || bytes.readInt32LE(0) < 1 || bytes.readInt32LE(0) > MAX_PIECE_BYTES)
    throw corruptError("it does not begin with the length of its longest piece");
  for (let at = 4; at < bytes.length;) {
    if (at + 8 > bytes.length) throw corruptError(`it ends inside piece ${pieces.length}`);
    const length = bytes.readInt32LE(at + 4);
    if (length < 0 || length > MAX_PIECE_BYTES || at + 8 + length > bytes.length)
      throw corruptError(`piece ${pieces.length} claims ${length} bytes`);
    scores.push(bytes.readFloatLE(at));
    pieces.push(bytes.toString("utf8", at + 8, at + 8 + length));
    at += 8 + length;
  }
  if (pieces[FIRST_BYTE] !== "<0x00>" || pieces[FIRST_PIECE - 1] !== "<0xFF>")
    throw corruptError("ids 3 to 258 are not the 256 byte tokens");
  return { pieces, scores };
}

/** Pairs wait in a heap, best score first and the left one of equals, so long words cost n log n. */
function mergePieces(text: string, idOf: ReadonlyMap<string, number>, scores: readonly number[]): Int32Array {
  const parts: string[] = Array.from(text);
  const next = Int32Array.from(parts, (_, i) => i + 1);
  const previous = Int32Array.from(parts, (_, i) => i - 1);
  const heap = new PairHeap();
  const offer = (left: number): void => {
    const right = next[left]!;
    if (right >= parts.length) return;
    const merged = parts[left]! + parts[right]!;
    const id = idOf.get(merged);
    if (id !== undefined) heap.push({ score: scores[id]!, left, right, merged });
  };
  for (let i = 0; i + 1 < parts.length; i++) offer(i);
  for (let pair = heap.pop(); pair !== undefined; pair = heap.pop()) {
    const { left, right, merged } = pair;
    // Skip entries of which one side was merged in the meantime, so that the joined text no longer matches.
    if (parts[left] === "" || next[left] !== right || `${parts[left]}${parts[right]}` !== merged) continue;
    parts[left] = merged;
    parts[right] = "";
    next[left] = next[right]!;
    if (next[left] < parts.length) previous[next[left]] = left;
    if (previous[left]! >= 0) offer(previous[left]!);
    offer(left);
  }
  const ids = new IdList(parts.length);
  for (const part of parts) {
    if (part === "") continue;
    const id = idOf.get(part);
    if (id !== undefined) ids.push(id);
    else for (const byte of Buffer.from(part)) ids.push(FIRST_BYTE + byte);
  }
  return ids.take();
}

interface Pair {
  readonly score: number;
  readonly left: number;
  readonly right: number;
  readonly merged: string;
}

class PairHeap {
  readonly #pairs: Pair[] = [];
  push(pair: Pair): void {
    const pairs = this.#pairs;
    let at = pairs.push(pair) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!precedes(pair, pairs[parent]!)) break;
      pairs[at] = pairs[parent]!;
      at = parent;
    }
    pairs[at] = pair;
  }
  pop(): Pair | undefined {
    const pairs = this.#pairs;
    const top = pairs[0];
    const last = pairs.pop();
    if (pairs.length === 0 || last === undefined) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= pairs.length) break;
      if (child + 1 < pairs.length && precedes(pairs[child + 1]!, pairs[child]!)) child++;
      if (!precedes(pairs[child]!, last)) break;
      pairs[at] = pairs[child]!;
      at = child;
    }
    pairs[at] = last;
    return top;
  }
}

function precedes(a: Pair, b: Pair): boolean {
  return a.score > b.score || (a.score === b.score && a.left < b.left);
}
