/**
 * Where a text may be cut so that the ids of both parts, joined, are the ids of the whole. Every site here is a place
 * between plain characters, so that what is proven in `findCutRule` holds in every Unicode version.
 */
export interface CutRule {
  /** A cut before a single space that separates two words: the space begins the second part, or belongs to neither. */
  readonly space: "kept" | "dropped" | undefined;
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
const wordSite = new RegExp(`^[${visible}] [${letter}]$`);
const lineSite = new RegExp(`^[${visible}]\\n[${letter}]$`);

/** Whether the position is a proven place to cut. The characters on both sides must be in `text`. */
export function isCut(rule: CutRule, text: string, at: number): boolean {
  const site =
    rule.space !== undefined && text[at] === " "
      ? at >= 1 && wordSite.test(text.slice(at - 1, at + 2))
      : rule.line && text[at - 1] === "\n" && at >= 2 && lineSite.test(text.slice(at - 2, at + 1));
  return site && !isNearAddedToken(rule, text, at);
}

/** An occurrence that touches the cut would be found within its own length on both sides of it. */
function isNearAddedToken({ addedTokens }: CutRule, text: string, at: number): boolean {
  return addedTokens.some((content) =>
    text.slice(Math.max(0, at - content.length - 1), at + content.length + 1).includes(content),
  );
}

/** Whether `isCut` may have to see more of the text to decide. */
export function reachOf({ addedTokens }: CutRule): number {
  return addedTokens.reduce((longest, { length }) => Math.max(longest, length), 0) + 2;
}
