/** Rates of repetition and of words that are none, each of one text; pure functions of tokens and characters. */

/** 1 − different n-grams / n-grams; 0 for a text of fewer than n tokens. */
export function repeatedNgrams(ids: readonly number[], n: number): number {
  const count = ids.length - n + 1;
  if (count < 1) return 0;
  const seen = new Set(Array.from({ length: count }, (_, i) => ids.slice(i, i + n).join()));
  return 1 - seen.size / count;
}

/** Share of tokens that are among the `window` before them. */
export function repeatedTokens(ids: readonly number[], window: number): number {
  if (ids.length === 0) return 0;
  const last = new Map<number, number>();
  let repeated = 0;
  ids.forEach((id, at) => {
    const before = last.get(id);
    if (before !== undefined && at - before <= window) repeated++;
    last.set(id, at);
  });
  return repeated / ids.length;
}

/** Words as a reader sees them: letters and digits with what joins them; case does not tell them apart. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu) ?? [];
}

/**
 * Share of the words that are not known, where each stretch of characters that cannot be printed, or were no valid UTF-8,
 * counts as a word that is not.
 */
export function meaninglessWords(text: string, isKnown: (word: string) => boolean): number {
  const words = wordsOf(text);
  // Tabs and line ends are printed; U+FFFD is what invalid bytes decode to.
  const broken = text.match(/(?:(?![\t\n\r])[\uFFFD\p{Cc}\p{Cn}])+/gu)?.length ?? 0;
  const all = words.length + broken;
  return all === 0 ? 0 : (words.filter((word) => !isKnown(word)).length + broken) / all;
}
