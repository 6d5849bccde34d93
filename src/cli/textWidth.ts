/** Text in the columns of a terminal: its width, cut in the middle, cut at the end, wrapped at words. */
import { stripVTControlCharacters } from "node:util";

/** The columns that a name keeps where space is short. */
export const minNameWidth = 16;

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });
/** Characters that a terminal draws two columns wide: CJK, Hangul, fullwidth forms and emoji. */
const wide =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation})/u;
const combining = /^[\p{M}\u200b-\u200d]+$/u;

function splitGraphemes(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

function getGraphemeWidth(grapheme: string): number {
  if (wide.test(grapheme)) return 2;
  return combining.test(grapheme) ? 0 : 1;
}

/** Columns that one line of text takes; colors take none. */
export function getTextWidth(text: string): number {
  const plain = stripVTControlCharacters(text);
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.length;
  return splitGraphemes(plain).reduce((width, each) => width + getGraphemeWidth(each), 0);
}

/** The longest beginning of the graphemes that fits. */
function takeWhileFits(graphemes: readonly string[], width: number): string[] {
  let used = 0;
  const end = graphemes.findIndex((each) => (used += getGraphemeWidth(each)) > width);
  return end === -1 ? [...graphemes] : graphemes.slice(0, end);
}

/** Replaces the middle of a longer text by an ellipsis: both ends of a name distinguish it. Without colors. */
export function shortenMiddle(text: string, width: number): string {
  if (getTextWidth(text) <= width) return text;
  if (width < 2) return width < 1 ? "" : "…";
  const graphemes = splitGraphemes(text);
  const tail = takeWhileFits(graphemes.toReversed(), Math.floor((width - 1) / 2)).reverse();
  const head = takeWhileFits(graphemes, width - 1 - getTextWidth(tail.join("")));
  return `${head.join("")}…${tail.join("")}`;
}

/** The text without what does not fit. Colors are kept, and closed by the caller's own end. */
export function cropLine(line: string, width: number): string {
  if (getTextWidth(line) <= width) return line;
  let used = 0;
  let cropped = "";
  // eslint-disable-next-line no-control-regex -- Colors are written with this character.
  for (const part of line.split(/(\u001b\[[\d;]*m)/)) {
    if (part.startsWith("\u001b")) {
      cropped += part;
      continue;
    }
    const rest = takeWhileFits(splitGraphemes(part), width - used).join("");
    used = rest.length < part.length ? width : used + getTextWidth(rest);
    cropped += rest;
  }
  return cropped;
}

/** Lines of at most `width` columns, broken at spaces where possible; further lines start with `indent`. */
export function wrapText(text: string, width: number, indent = ""): string {
  if (!Number.isFinite(width)) return text;
  return text
    .split("\n")
    .map((line) => wrapLine(line, Math.max(1, width), indent).join("\n"))
    .join("\n");
}

function wrapLine(line: string, width: number, indent: string): string[] {
  if (getTextWidth(line) <= width) return [line];
  const lines: string[] = [];
  let current = "";
  const getRoom = () => Math.max(1, width - (lines.length === 0 ? 0 : indent.length));
  const flush = () => {
    lines.push((lines.length === 0 ? "" : indent) + current);
    current = "";
  };
  for (const word of line.split(/(?<= )/)) {
    if (current !== "" && getTextWidth(`${current}${word.trimEnd()}`) > getRoom()) {
      current = current.trimEnd();
      flush();
    }
    let rest = word;
    while (getTextWidth(rest.trimEnd()) > getRoom()) {
      const part = takeWhileFits(splitGraphemes(rest), getRoom()).join("") || splitGraphemes(rest)[0]!;
      current = part;
      rest = rest.slice(part.length);
      flush();
    }
    current += rest;
  }
  if (current.trimEnd() !== "") {
    current = current.trimEnd();
    flush();
  }
  return lines;
}
