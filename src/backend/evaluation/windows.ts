/**
 * Windows that slide over a text so that each token is scored once, with as much before it as fits. A window holds `context`
 * tokens and starts `stride` after the one before; it scores what no earlier window has, and never its own first token.
 */

/** Tokens `from` to `to` of the text, `to` not included, are scored in the window that starts at `start`. */
export interface Window {
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

export function* windowsOf(tokens: number, context: number, stride: number): Generator<Window> {
  let scored = 0;
  for (let start = 0; scored < tokens; start += stride) {
    const from = Math.max(scored, start + 1);
    const to = Math.min(start + context, tokens);
    if (from < to) yield { start, from, to };
    scored = to;
  }
}

/** The same window several times, each scoring at most `most` tokens: the first one scores more than those that follow. */
export function* piecesOf({ start, from, to }: Window, most: number): Generator<Window> {
  for (let at = from; at < to; at += most) yield { start, from: at, to: Math.min(at + most, to) };
}
