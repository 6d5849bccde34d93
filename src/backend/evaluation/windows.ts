/**
 * Sliding windows over a text that score each token once, with as much context as fits. A window has `context` tokens and
 * starts `stride` tokens after the previous one. It scores the tokens that no earlier window scored, except its first token.
 */

/** A window that starts at `start` and scores the tokens from `from` to `to` (exclusive) of the text. */
export interface Window {
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

export function* createWindows(tokens: number, context: number, stride: number): Generator<Window> {
  let scored = 0;
  for (let start = 0; scored < tokens; start += stride) {
    const from = Math.max(scored, start + 1);
    const to = Math.min(start + context, tokens);
    if (from < to) yield { start, from, to };
    scored = to;
  }
}

/** Splits a window so that each part scores at most `maxTokens` tokens: the first window scores more than the following ones. */
export function* splitWindow({ start, from, to }: Window, maxTokens: number): Generator<Window> {
  for (let at = from; at < to; at += maxTokens) yield { start, from: at, to: Math.min(at + maxTokens, to) };
}
