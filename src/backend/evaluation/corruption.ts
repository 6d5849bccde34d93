/** Changes a text as careless writing does, at a given strength. The same text, strength and seed give the same result everywhere. */
import { createRandomStream } from "../representations/randomStream";

export const corruptions = ["typos", "drop", "swap", "case"] as const;
export type Corruption = (typeof corruptions)[number];

/**
 * `strength` is the share of letters with a typo, or of words that are dropped, swapped with the next one, or written in the other
 * case. Only characters that occur in the text are written, so that its tokenizer can read the result.
 */
export function corrupt(text: string, kind: Corruption, strength: number, seed: number): string {
  const next = createRandomStream(`${kind} ${strength}`, seed);
  const isHit = () => next() < strength;
  if (kind === "typos") return mistype(text, isHit, next);
  // Words at even places, the spaces between them at odd ones; a text that begins with spaces has an empty first word.
  const parts = text.split(/(\s+)/);
  if (kind === "drop") return dropWords(parts, isHit);
  return (kind === "swap" ? swapWords(parts, isHit) : changeCase(parts, isHit, new Set(text))).join("");
}

/** Each letter that is hit is replaced, left out, doubled, or swapped with the character after it. */
function mistype(text: string, isHit: () => boolean, next: () => number): string {
  const characters = Array.from(text);
  const letters = [...new Set(characters.filter(isLetter))].sort();
  const result: string[] = [];
  for (let i = 0; i < characters.length; i++) {
    const each = characters[i]!;
    if (!isLetter(each) || !isHit()) {
      result.push(each);
      continue;
    }
    const mistake = Math.floor(next() * 4);
    const other = letters[Math.floor(next() * letters.length)]!;
    const following = characters[i + 1];
    if (mistake === 0) result.push(other);
    else if (mistake === 2) result.push(each, each);
    else if (mistake === 3 && following !== undefined) {
      result.push(following, each);
      i++;
    }
  }
  return result.join("");
}

const isLetter = (character: string): boolean => /\p{L}/u.test(character);

/** With the spaces after them. */
function dropWords(parts: readonly string[], isHit: () => boolean): string {
  const kept: string[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const word = parts[i]!;
    if (word !== "" && isHit()) continue;
    kept.push(word, parts[i + 1] ?? "");
  }
  return kept.join("");
}

function swapWords(parts: readonly string[], isHit: () => boolean): string[] {
  const result = [...parts];
  for (let i = 0; i + 2 < result.length; i += 2) {
    if (result[i] === "" || result[i + 2] === "" || !isHit()) continue;
    [result[i], result[i + 2]] = [result[i + 2]!, result[i]!];
    // A word moves by one place at most.
    i += 2;
  }
  return result;
}

function changeCase(parts: readonly string[], isHit: () => boolean, known: ReadonlySet<string>): string[] {
  return parts.map((part, i) => {
    if (i % 2 === 1 || part === "" || !isHit()) return part;
    const upper = part.toUpperCase();
    const changed = upper === part ? part.toLowerCase() : upper;
    return Array.from(changed).every((character) => known.has(character)) ? changed : part;
  });
}
