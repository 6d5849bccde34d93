/**
 * Where a text may be cut so that the ids of both parts, joined, are the ids of the whole. Every site here is a place
 * between plain characters, so that what is proven in `findCutRule` holds in every Unicode version.
 */
export interface CutRule {
  /** A cut before a single space that separates two words: the space begins the second part, or belongs to neither. */
  readonly space: "kept" | "dropped" | undefined;
  /** The second word may begin with any visible character, such as a digit or a comma, and not only with a letter. */
  readonly beforeVisible?: boolean;
  /** A cut after a single line end that follows a visible character and precedes a letter. */
  readonly line: boolean;
  /** Every character is encoded apart, so a cut between any two changes nothing. */
  readonly anywhere?: boolean;
  /** Added tokens. A cut keeps away from them, because they are matched before words are formed. */
  readonly addedTokens: readonly string[];
}

/** For tokenizers that encode each character apart. */
export const cutAnywhere: CutRule = { space: "kept", line: true, anywhere: true, addedTokens: [] };

/** Characters that every regular expression engine and Unicode version takes as letters. */
const letter = "A-Za-zÀ-ÖØ-öø-ÿα-ωА-я一-龥ぁ-ゖァ-ヺ가-힣";
export const siteLetter = new RegExp(`^[${letter}]$`);
const visible = `!-~${letter}。、！？」』）`;
const siteCharacter = new RegExp(`^[${visible}]$`);
/** Every character that may be beside a cut, except white space. */
export const siteCharacters: readonly string[] = Array.from({ length: 0x10000 }, (_, code) =>
  String.fromCharCode(code),
).filter((character) => siteCharacter.test(character));

const [isVisible, isLetter] = [1, 2];
/** What may be beside a cut, for each UTF-16 unit. */
const siteKinds = new Uint8Array(0x10000);
for (const character of siteCharacters)
  siteKinds[character.charCodeAt(0)] = siteLetter.test(character) ? isVisible | isLetter : isVisible;

/** Whether a document may be cut here, which is never before a digit or a sign. Both sides must be in `text`. */
export function isCut(rule: CutRule, text: string, at: number): boolean {
  return isSite(rule, text, at, isLetter) && !isNearAddedToken(rule.addedTokens, text, at);
}

/** `after` is the kind of character that a word after a space begins with. */
function isSite({ space, line }: CutRule, text: string, at: number, after: number): boolean {
  const here = text.charCodeAt(at);
  if (here === 32 && space !== undefined)
    return (
      at >= 1 &&
      matchesKind(isVisible, text.charCodeAt(at - 1)) &&
      matchesKind(after, text.charCodeAt(at + 1))
    );
  if (!line || at < 2 || text.charCodeAt(at - 1) !== 10) return false;
  return matchesKind(isLetter, here) && matchesKind(isVisible, text.charCodeAt(at - 2));
}

/** The code of a position outside the text is not a number, and of no kind. */
function matchesKind(kind: number, unit: number): boolean {
  return ((siteKinds[unit] ?? 0) & kind) !== 0;
}

/** Divides a text at every proven place. Without the spaces that a rule drops, the parts make up the text. */
export function divide(rule: CutRule, text: string): string[] {
  const added = rule.addedTokens.filter((content) => text.includes(content));
  const after = rule.beforeVisible === true ? isVisible : isLetter;
  const parts: string[] = [];
  let start = 0;
  for (let at = 1; at < text.length; at++) {
    if (!isSite(rule, text, at, after) || (added.length > 0 && isNearAddedToken(added, text, at))) continue;
    parts.push(text.slice(start, at));
    start = rule.space === "dropped" && text.charCodeAt(at) === 32 ? at + 1 : at;
  }
  parts.push(text.slice(start));
  return parts;
}

/** An occurrence that touches the cut would be found within its own length on both sides of it. */
function isNearAddedToken(added: readonly string[], text: string, at: number): boolean {
  return added.some((content) =>
    text.slice(Math.max(0, at - content.length - 1), at + content.length + 1).includes(content),
  );
}

/** Whether `isCut` may have to see more of the text to decide. */
export function getReach({ addedTokens }: CutRule): number {
  return addedTokens.reduce((longest, { length }) => Math.max(longest, length), 0) + 2;
}
