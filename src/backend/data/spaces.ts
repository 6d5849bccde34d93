/** Words, lines and bytes of a text: what perplexities per word and per byte are divided by. */

export interface TextCounts {
  readonly bytes: number;
  /** Runs of characters between spaces. */
  readonly words: number;
  /** Line ends. */
  readonly lines: number;
}

/** Whether a UTF-16 unit is blank: ASCII and the Unicode spaces. */
export function isSpace(unit: number): boolean {
  if (unit < 0x80) return unit === 32 || (unit >= 9 && unit <= 13);
  return (
    unit === 0x85 ||
    unit === 0xa0 ||
    unit === 0x1680 ||
    (unit >= 0x2000 && unit <= 0x200a) ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0x202f ||
    unit === 0x205f ||
    unit === 0x3000
  );
}

/** Unicode characters, which is what Python counts as the length of a text. */
export function countCharacters(text: string): number {
  let characters = text.length;
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xdc00) characters--;
  return characters;
}

export function countText(text: string): TextCounts {
  let words = 0;
  let lines = 0;
  let inWord = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (isSpace(unit)) {
      inWord = false;
      if (unit === 10) lines++;
    } else if (!inWord) {
      inWord = true;
      words++;
    }
  }
  return { bytes: Buffer.byteLength(text), words, lines };
}
