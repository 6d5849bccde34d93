/**
 * Cuts documents that arrive in parts into pieces whose ids, joined, are those of the whole. Where it cuts depends on the
 * text and the tokenizer alone, never on how the text arrived.
 */
import type { Conversation } from "./conversations";
import type { PreferencePair } from "./preferenceTexts";
import { isSpace } from "./spaces";
import { type CutRule, isCut, getReach } from "./tokenizers/cutRule";

/** A document, or the next stretch of one. */
export interface Fragment {
  readonly text: string;
  /** Text before `text` that no loss counts; only on a fragment that is a whole document. */
  readonly prompt?: string;
  /** The two texts of a pair, which `text` has joined; a tokenizer may have a separator of its own. */
  readonly pair?: readonly [string, string];
  /** The label of a row as it is written in the file; only on a fragment that is a whole document. */
  readonly label?: string;
  /** Its number among the classes, once they are known. */
  readonly classNumber?: number;
  /** What the chat template writes; `text` is then the texts of the messages alone. */
  readonly conversation?: Conversation;
  /** A prompt with two answers; `text` is then the texts of all three. */
  readonly preference?: PreferencePair;
  /** Start and end of the parts that the loss counts, in UTF-16 units; only on a fragment that is a whole document. */
  readonly answers?: readonly (readonly [number, number])[];
  /** Whether the document ends here. */
  readonly end: boolean;
}

export interface Piece {
  readonly text: string;
  readonly prompt?: string;
  readonly pair?: readonly [string, string];
  readonly classNumber?: number;
  readonly conversation?: Conversation;
  readonly preference?: PreferencePair;
  readonly answers?: readonly (readonly [number, number])[];
  readonly end: boolean;
  /** Characters dropped after the piece: the space that the tokenizer puts before the next one. */
  readonly dropped: number;
}

/** Where characters are encoded apart, a text without spaces is cut after this many. */
const MAX_PIECE_LENGTH = 1 << 16;

export async function* splitPieces(
  fragments: AsyncIterable<Fragment>,
  cuts: CutRule | undefined,
  target: number,
): AsyncGenerator<Piece> {
  const buffer = new CutBuffer(cuts, target);
  let open = false;
  for await (const fragment of fragments) {
    const { text, end, prompt, pair, classNumber, conversation, preference, answers } = fragment;
    if (conversation !== undefined) {
      yield { text, conversation, end, dropped: 0 };
      continue;
    }
    if (preference !== undefined) {
      yield { text, preference, end, dropped: 0 };
      continue;
    }
    if (classNumber !== undefined) {
      yield { text, ...(pair === undefined ? {} : { pair }), classNumber, end, dropped: 0 };
      continue;
    }
    if (answers !== undefined) {
      yield { text, answers, end, dropped: 0 };
      continue;
    }
    if (prompt !== undefined) {
      yield { text, prompt, end, dropped: 0 };
      continue;
    }
    open ||= text.length > 0;
    yield* buffer.add(text, end);
    if (end) {
      if (open) yield { text: buffer.take(), end: true, dropped: 0 };
      open = false;
    }
  }
  yield* buffer.add("", true);
  if (open) yield { text: buffer.take(), end: true, dropped: 0 };
}

/** Text that is not cut yet. A cut is the last proven place in the first `target` characters, else the first after them. */
class CutBuffer {
  #text = "";
  /** No cut is in the text before this position, except in the first `target` characters. */
  #searched = 0;
  /** More text, joined once it is needed: a long text without a place to cut is never copied for each part of it. */
  readonly #more: string[] = [];
  #length = 0;
  #wanted = 0;

  constructor(
    private readonly rule: CutRule | undefined,
    private readonly target: number,
  ) {}

  *add(text: string, isEnd: boolean): Generator<Piece> {
    this.#more.push(text);
    this.#length += text.length;
    if (this.rule === undefined || (!isEnd && this.#length < this.#wanted)) return;
    this.#join();
    for (let at = this.#findCut(this.rule); at !== undefined; at = this.#findCut(this.rule)) {
      const dropped = this.rule.space === "dropped" && this.#text[at] === " " ? 1 : 0;
      yield { text: this.#text.slice(0, at), end: false, dropped };
      this.#keep(at + dropped);
    }
    this.#wanted = this.#length + Math.max(this.target, this.#length >> 2);
  }

  take(): string {
    this.#join();
    const text = this.#text;
    this.#keep(text.length);
    return text;
  }

  #join(): void {
    this.#text += this.#more.join("");
    this.#more.length = 0;
  }

  #keep(from: number): void {
    this.#text = this.#text.slice(from);
    this.#length = this.#text.length;
    this.#searched = 0;
    this.#wanted = 0;
  }

  /** Undefined asks for more text. */
  #findCut(rule: CutRule): number | undefined {
    const { length } = this.#text;
    const last = length - getReach(rule);
    if (last <= this.target) return undefined;
    if (rule.anywhere === true) return this.#findAnywhere();
    if (this.#searched === 0) {
      for (let at = this.target; at > 0; at--) if (isCut(rule, this.#text, at)) return at;
      this.#searched = this.target + 1;
    }
    for (; this.#searched < last; this.#searched++)
      if (isCut(rule, this.#text, this.#searched)) return this.#searched;
    return undefined;
  }

  /** The last end of a word or line in a window that doubles, else a place between two characters. */
  #findAnywhere(): number | undefined {
    let searched = 0;
    for (let window = this.target; ; window *= 2) {
      // One character beyond the window decides whether its end is a place to cut.
      if (this.#text.length <= window + 1) return undefined;
      for (let at = window; at > searched; at--) if (isBetweenWords(this.#text, at)) return at;
      searched = window;
      if (window >= MAX_PIECE_LENGTH) {
        const inPair = (this.#text.charCodeAt(searched) & 0xfc00) === 0xdc00;
        return inPair ? searched + 1 : searched;
      }
    }
  }
}

/** Before a space after a word, or after a single line end. */
function isBetweenWords(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  const here = text.charCodeAt(at);
  if (here === 32) return !isSpace(before);
  return before === 10 && !isSpace(here) && at >= 2 && !isSpace(text.charCodeAt(at - 2));
}
