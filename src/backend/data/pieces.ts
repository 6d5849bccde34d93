/**
 * Cuts documents that arrive in parts into pieces that can be tokenised one by one with the same ids as the whole.
 * Where it cuts depends on the text alone, never on how it arrived.
 */
import { isSpace } from "./spaces";
import type { Seam } from "./tokenizers/tokenizer";

/** A document, or the next stretch of one. */
export interface Fragment {
  readonly text: string;
  /** Text before `text` that no loss counts; only on a fragment that is a whole document. */
  readonly prompt?: string;
  /** The label of a row, as it stands there; only on a fragment that is a whole document. */
  readonly label?: string;
  /** Its number among the classes, once they are known. */
  readonly classNumber?: number;
  /** Whether the document ends here. */
  readonly end: boolean;
}

export interface Piece {
  readonly text: string;
  readonly prompt?: string;
  readonly classNumber?: number;
  readonly end: boolean;
  /** Characters dropped behind the piece: the one space of a `gap`. */
  readonly dropped: number;
}

/** Without a seam in this many characters the text is cut between two characters, which may change an id there. */
const LONGEST = 1 << 16;

export async function* piecesOf(
  fragments: AsyncIterable<Fragment>,
  seams: readonly Seam[],
  target: number,
): AsyncGenerator<Piece> {
  let buffer = "";
  let open = false;
  for await (const fragment of fragments) {
    const { text, end, prompt, classNumber } = fragment;
    if (classNumber !== undefined) {
      yield { text, classNumber, end, dropped: 0 };
      continue;
    }
    if (prompt !== undefined) {
      yield { text, prompt, end, dropped: 0 };
      continue;
    }
    buffer += text;
    open ||= buffer.length > 0;
    let start = 0;
    for (;;) {
      const cut = cutAfter(buffer, start, target, seams);
      if (cut === undefined) break;
      const dropped = buffer[cut] === " " && seams.includes("gap") && !seams.includes("space") ? 1 : 0;
      yield { text: buffer.slice(start, cut), end: false, dropped };
      start = cut + dropped;
    }
    buffer = buffer.slice(start);
    if (end) {
      if (open) yield { text: buffer, end: true, dropped: 0 };
      buffer = "";
      open = false;
    }
  }
  if (open) yield { text: buffer, end: true, dropped: 0 };
}

/** The last seam of the first `target` characters, else of twice as many, and so on; undefined asks for more text. */
function cutAfter(text: string, start: number, target: number, seams: readonly Seam[]): number | undefined {
  let searched = start;
  for (let window = target; ; window *= 2) {
    // One character beyond the window decides whether its end is a seam.
    if (text.length - start <= window + 1) return undefined;
    for (let at = start + window; at > searched; at--) if (isSeam(text, at, start, seams)) return at;
    searched = start + window;
    if (window >= LONGEST) {
      const inPair = (text.charCodeAt(searched) & 0xfc00) === 0xdc00;
      return inPair ? searched + 1 : searched;
    }
  }
}

function isSeam(text: string, at: number, start: number, seams: readonly Seam[]): boolean {
  const before = text.charCodeAt(at - 1);
  const here = text.charCodeAt(at);
  if (here === 32 && !isSpace(before))
    return seams.includes("space") || (seams.includes("gap") && !isSpace(text.charCodeAt(at + 1)));
  return (
    before === 10 &&
    seams.includes("line") &&
    !isSpace(here) &&
    at - 2 >= start &&
    !isSpace(text.charCodeAt(at - 2))
  );
}
