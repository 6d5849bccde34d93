/** Rates of repetition and of meaningless words in a text; pure functions of tokens and characters. */

/** 1 − distinct n-grams / n-grams; 0 for a text of fewer than n tokens. */
export function measureRepeatedNgrams(ids: readonly number[], n: number): number {
  const count = ids.length - n + 1;
  if (count < 1) return 0;
  const seen = new Set(Array.from({ length: count }, (_, i) => ids.slice(i, i + n).join()));
  return 1 - seen.size / count;
}

/** Fraction of tokens that occur among the `window` tokens before them. */
export function measureRepeatedTokens(ids: readonly number[], window: number): number {
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

/** Words in lower case: letters and digits, with apostrophes and hyphens between them. */
export function splitWords(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu) ?? [];
}

/**
 * Fraction of the words that are not known. Each run of characters that are not printable or were not valid UTF-8 counts as an
 * unknown word.
 */
export function measureMeaninglessWords(text: string, isKnown: (word: string) => boolean): number {
  const words = splitWords(text);
  // Tabs and line ends are printable; invalid bytes decode to U+FFFD.
  const broken = text.match(/(?:(?![\t\n\r])[\uFFFD\p{Cc}\p{Cn}])+/gu)?.length ?? 0;
  const all = words.length + broken;
  return all === 0 ? 0 : (words.filter((word) => !isKnown(word)).length + broken) / all;
}
