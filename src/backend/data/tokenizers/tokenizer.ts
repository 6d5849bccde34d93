/** What turns text into token ids and back. Every tokenizer is exact about where a long text may be cut. */
import type { Chat } from "./chatTemplate";

/**
 * Where a text can be cut in two so that the ids of the halves, joined, are the ids of the whole:
 * `space` before the first space after a word, `line` after a single line end, `gap` at a single space between two
 * words, which is dropped because the tokenizer puts one before every text by itself.
 */
export type Seam = "space" | "line" | "gap";

export interface Tokenizer {
  /** What a person calls it: `bytes`, `characters`, or the file's name. */
  readonly id: string;
  /** One more than the highest id. */
  readonly vocabSize: number;
  /** Closes a document. */
  readonly endOfText: number | undefined;
  /** Opens a document; where it equals `endOfText` it stands once between two documents. */
  readonly bos: number | undefined;
  /** Where it differs from `endOfText`: what the tokenizer's settings say ends an answer, such as `<|eot_id|>`. */
  readonly endOfAnswer?: number | undefined;
  /** How conversations are written, where the tokenizer comes with a template. */
  readonly chat?: Chat | undefined;
  /** Equal hashes give equal ids for every text. */
  readonly hash: string;
  readonly seams: readonly Seam[];
  /** Files by name which, written into a folder, let `openTokenizer` and other programs read this tokenizer back. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Ids of the text alone, without `bos` and `endOfText`. */
  encode(text: string): Int32Array;
  /** Text of the ids; special tokens have none, broken UTF-8 becomes the replacement character. */
  decode(ids: ArrayLike<number>): string;
}

/** Ids that stand before and after the text of every document. */
export function documentFrame({ bos, endOfText }: Tokenizer): {
  before: readonly number[];
  after: readonly number[];
} {
  return {
    before: bos === undefined ? [] : [bos],
    after: endOfText === undefined || endOfText === bos ? [] : [endOfText],
  };
}

/** An Int32Array that grows, because the number of ids is known only after encoding. */
export class IdList {
  #ids: Int32Array;
  #length = 0;
  constructor(expected: number) {
    this.#ids = new Int32Array(Math.max(16, expected));
  }
  push(id: number): void {
    this.#reserve(1);
    this.#ids[this.#length++] = id;
  }
  append(ids: ArrayLike<number>): void {
    this.#reserve(ids.length);
    this.#ids.set(ids, this.#length);
    this.#length += ids.length;
  }
  take(): Int32Array {
    return this.#ids.slice(0, this.#length);
  }
  #reserve(more: number): void {
    if (this.#length + more <= this.#ids.length) return;
    const grown = new Int32Array(Math.max(this.#ids.length * 2, this.#length + more));
    grown.set(this.#ids);
    this.#ids = grown;
  }
}

/** Remembers the ids of words, which come again and again; it forgets everything when full, which costs little. */
export class WordMemo {
  readonly #known = new Map<string, Int32Array>();
  constructor(
    readonly encode: (word: string) => Int32Array,
    readonly limit = 1 << 17,
  ) {}
  ids(word: string): Int32Array {
    if (word.length > 64) return this.encode(word);
    let ids = this.#known.get(word);
    if (ids === undefined) {
      if (this.#known.size >= this.limit) this.#known.clear();
      ids = this.encode(word);
      this.#known.set(word, ids);
    }
    return ids;
  }
}
