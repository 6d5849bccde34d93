/** Lists of ids for encoders in JavaScript. */
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

/** Remembers the ids of words, which repeat. It forgets all of them when full. */
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
