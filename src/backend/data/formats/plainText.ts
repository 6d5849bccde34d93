/** Plain text: a file is a document, and a line `<|endoftext|>` ends one inside a file. */
import type { Fragment } from "../pieces";

/** Separates the documents of a text. */
export const documentMarker = "<|endoftext|>";
/** Held back while more text may come: a marker with the line ends around it. */
const HELD_BACK = documentMarker.length + 4;

export async function* readPlainDocuments(chunks: AsyncIterable<string>): AsyncGenerator<Fragment> {
  const splitter = new MarkerSplitter();
  for await (const chunk of chunks) yield* splitter.take(chunk, false);
  yield* splitter.take("", true);
}

class MarkerSplitter {
  #buffer = "";
  #atLineStart = true;
  /** Whether a part of the present document has been given out. */
  #begun = false;
  /** No marker line begins before this position of the buffer. */
  #searched = 0;

  *take(chunk: string, last: boolean): Generator<Fragment> {
    this.#buffer += chunk;
    for (;;) {
      const at = this.#buffer.indexOf(documentMarker, this.#searched);
      if (at < 0) break;
      const after = at + documentMarker.length;
      if (!last && after + 2 > this.#buffer.length) break;
      const lineEnd =
        after === this.#buffer.length ? "" : /^\r?\n/.exec(this.#buffer.slice(after, after + 2))?.[0];
      const startsLine = at === 0 ? this.#atLineStart : this.#buffer[at - 1] === "\n";
      this.#searched = after;
      if (!startsLine || lineEnd === undefined) continue;
      // The line ends on both sides belong to the marker.
      yield { text: this.#buffer.slice(0, at).replace(/\r?\n$/, ""), end: true };
      this.#keep(after + lineEnd.length);
      this.#atLineStart = true;
      this.#begun = false;
    }
    if (last) {
      // Blank lines after the last marker are not a document.
      if (this.#begun || this.#buffer.trim() !== "") yield { text: this.#buffer, end: true };
    } else {
      let safe = this.#buffer.length - HELD_BACK;
      if ((this.#buffer.charCodeAt(safe) & 0xfc00) === 0xdc00) safe--;
      if (safe <= 0) return;
      yield { text: this.#buffer.slice(0, safe), end: false };
      this.#begun = true;
      this.#atLineStart = this.#buffer[safe - 1] === "\n";
      this.#keep(safe);
    }
  }

  #keep(from: number): void {
    this.#buffer = this.#buffer.slice(from);
    this.#searched = Math.max(0, this.#searched - from);
  }
}
