/**
 * Derives from the rules of a `tokenizer.json` where a text may be cut. The two sites of `CutRule` are followed through the
 * normalizers, the pre-tokenizers and the model; where a step is not known to keep both parts apart, there is no cut.
 */
import { type CutRule, siteCharacters, siteLetter } from "./cutRule";

interface Step {
  readonly type: string;
  readonly [option: string]: unknown;
}

export interface Rules {
  readonly normalizer: unknown;
  readonly preTokenizer: unknown;
  readonly model: Readonly<Record<string, unknown>> & { readonly type?: string | undefined };
  readonly tokens: Iterable<string>;
  readonly addedTokens: readonly { readonly content: string; readonly normalized?: boolean | undefined }[];
  readonly normalize: (text: string) => string;
}

type Site = "space" | "line";

export function findCutRule(rules: Rules): CutRule | undefined {
  const normalizers = flatten(rules.normalizer, "normalizers");
  const steps = flatten(rules.preTokenizer, "pretokenizers");
  // Tokens that are matched in the normalized text may come out of other characters than their own.
  const matchesNormalized = rules.addedTokens.some(({ normalized }) => normalized === true);
  if (normalizers.length > 0 && matchesNormalized) return undefined;
  const text = findNormalizedSpace(normalizers, rules.normalize);
  if (text === undefined) return undefined;
  const isSeparated = (site: Site): boolean => {
    const outcome = findOutcome(steps, site, text.space);
    return outcome === "apart" || (outcome === "together" && modelSeparates(rules, site, steps, text.space));
  };
  const space = isSeparated("space") ? (text.isPrefixed ? "dropped" : "kept") : undefined;
  const line = text.keepsLines && !text.isPrefixed && isSeparated("line");
  if (space === undefined && !line) return undefined;
  return {
    space,
    line,
    beforeVisible: space !== undefined && separatesVisible(steps, text.space),
    addedTokens: rules.addedTokens.map(({ content }) => content),
  };
}

/** The steps of a sequence, however deep; one step is a sequence of itself. */
function flatten(step: unknown, list: "normalizers" | "pretokenizers"): Step[] {
  if (step === null || step === undefined) return [];
  const { type, [list]: inner } = step as Step;
  return type === "Sequence" ? (inner as unknown[]).flatMap((each) => flatten(each, list)) : [step as Step];
}

/** Normalizers that look at one character, or a character with the marks after it, and at nothing else. */
const contextFree = new Set([
  "Lowercase",
  "NFC",
  "NFD",
  "NFKC",
  "NFKD",
  "StripAccents",
  "Nmt",
  "BertNormalizer",
  "Precompiled",
]);

interface NormalizedSpace {
  /** What the normalizers make of a space between words. */
  readonly space: string;
  /** Whether they put one before every text. */
  readonly isPrefixed: boolean;
  /** Whether a line end stays what it is. */
  readonly keepsLines: boolean;
}

function findNormalizedSpace(
  normalizers: readonly Step[],
  normalize: Rules["normalize"],
): NormalizedSpace | undefined {
  const isPrefixed = normalizers[0]?.type === "Prepend" && normalizers[0]["prepend"] === "▁";
  const rest = isPrefixed ? normalizers.slice(1) : normalizers;
  if (rest.length === 1 && isSpaceReplacement(rest[0]!)) return { space: "▁", isPrefixed, keepsLines: true };
  if (isPrefixed || !rest.every(({ type }) => contextFree.has(type))) return undefined;
  if (rest.length === 0) return { space: " ", isPrefixed: false, keepsLines: true };
  // They treat each character alike wherever it is, so it is enough to try the characters of the sites.
  const keeps = (border: string): boolean => {
    const words = normalize(siteCharacters.join(border)).split(border);
    return (
      words.length === siteCharacters.length &&
      words.every((word, i) => (siteLetter.test(siteCharacters[i]!) ? /^\p{L}\S*$/u : /^\S+$/).test(word))
    );
  };
  return keeps(" ") ? { space: " ", isPrefixed: false, keepsLines: keeps("\n") } : undefined;
}

function isSpaceReplacement({ type, pattern, content }: Step): boolean {
  return type === "Replace" && (pattern as { String?: string }).String === " " && content === "▁";
}

/**
 * `apart`: both sides of the cut are always in different words. `together`: the step never looks across it, but may leave
 * both sides in one word.
 */
type Outcome = "apart" | "together" | "unknown";

function findOutcome(steps: readonly Step[], site: Site, space: string): Outcome {
  for (const [i, step] of steps.entries()) {
    const outcome = findStepOutcome(step, site, space);
    if (outcome === "together") continue;
    // This scheme treats the first word of a text unlike the others, which words that were cut before it would change.
    const others = outcome === "apart" ? steps.slice(i + 1) : [];
    return others.some((each) => each.type === "Metaspace" && each["prepend_scheme"] === "first")
      ? "unknown"
      : outcome;
  }
  return "together";
}

/**
 * Whether the space is proven to begin a word whatever visible character follows. Only the first step decides, because a
 * later one gets what the first has divided at digits or signs.
 */
function separatesVisible([first]: readonly Step[], space: string): boolean {
  if (first === undefined) return true;
  if (findStepOutcome(first, "space", space) !== "apart") return false;
  const { Regex: regex } = (first["pattern"] ?? {}) as { Regex?: string };
  // Without this alternative a space before a digit may match nothing and stay in one word with what precedes it.
  return regex === undefined || regex === spacedWords || readAlternatives(regex).includes("\\s+");
}

/** Words of a space in the form "▁", as `pieceVocabulary` cuts them. */
export const spacedWords = "▁+[^▁]*";

function findStepOutcome(step: Step, site: Site, space: string): Outcome {
  switch (step.type) {
    case "Metaspace":
      if (step["replacement"] !== "▁" || site === "line") return "unknown";
      // The second part begins with the space, so nothing is put before it.
      return step["split"] === false ? "together" : "apart";
    case "Split": {
      const { Regex: regex, String: plain } = step["pattern"] as { Regex?: string; String?: string };
      const behavior = step["behavior"];
      // No space is left for it to find.
      if (plain === " " && space === "▁" && site === "space") return "together";
      if (regex === spacedWords && space === "▁" && behavior === "Isolated" && step["invert"] !== true)
        return site === "space" ? "apart" : "unknown";
      if (space !== " " || regex === undefined || (behavior !== "Isolated" && behavior !== "Removed"))
        return "unknown";
      return findRegexOutcome(regex, site);
    }
    case "ByteLevel":
      // A prefix before the second part would not be in the whole; it is not put before a space.
      if (space !== " " || (step["add_prefix_space"] !== false && site === "line")) return "unknown";
      return step["use_regex"] === false ? "together" : findRegexOutcome(gpt2, site);
    case "Whitespace":
    case "WhitespaceSplit":
    case "BertPreTokenizer":
      return space === " " ? "apart" : "unknown";
    case "Digits":
      return space === " " ? "together" : "unknown";
    case "CharDelimiterSplit":
      return site === "space" && step["delimiter"] === " " && space === " " ? "apart" : "unknown";
    default:
      return "unknown";
  }
}

const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
const insensitive = [
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
  "(?:'s|'t|'re|'ve|'m|'ll|'d)",
  "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])",
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
];
const upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";

/**
 * Alternatives of the patterns of published tokenizers. None matches a visible character followed by a space, none has
 * an anchor or looks behind, and none looks ahead except after white space. Any of them takes a letter alone and with a
 * space before it.
 */
const ofLetters = [
  " ?\\p{L}+",
  "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+",
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${insensitive[3]!}`,
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+`,
];
/** The same, but they match a line end followed by a letter. */
const ofLettersAfterAnySpace = ["\\s?\\p{L}+"];
/** The same properties, without taking letters. */
const ofOthers = [
  ...contractions,
  ...insensitive.slice(0, 3),
  `[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${insensitive[3]!}`,
  `[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*`,
  " ?\\p{N}+",
  "\\p{N}",
  "\\p{N}+",
  "\\p{N}{1,3}",
  " ?[^\\s\\p{L}\\p{N}]+",
  " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*",
  " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*",
  "\\s*[\\r\\n]+",
  "\\s*[\\r\\n]",
  "\\s+(?!\\S)",
  "\\s+",
  "[\\r\\n]",
  "\\s?\\p{P}+",
  "[一-龥ࠀ-一가-퟿]+",
];
const takesLetters = new Set([...ofLetters, ...ofLettersAfterAnySpace]);
const knownAlternatives = new Set([...takesLetters, ...ofOthers]);

function findRegexOutcome(regex: string, site: Site): Outcome {
  const alternatives = readAlternatives(regex);
  const has = (each: string) => alternatives.includes(each);
  if (!alternatives.every((each) => knownAlternatives.has(each))) return "unknown";
  if (site === "line") {
    if (alternatives.length === 1 && has("[\\r\\n]")) return "apart";
    if (ofLettersAfterAnySpace.some(has)) return "unknown";
    // At the end of a text this one takes a line end that otherwise only "\s+" takes.
    if (has("\\s+(?!\\S)") && !has("\\s+")) return "unknown";
  }
  return alternatives.some((each) => takesLetters.has(each)) ? "apart" : "together";
}

/** The alternatives at the top level of a regular expression. Some files have line ends where others have their escapes. */
function readAlternatives(pattern: string): string[] {
  const regex = pattern.replaceAll("\r", "\\r").replaceAll("\n", "\\n");
  const alternatives: string[] = [];
  let [start, depth, isClass] = [0, 0, false];
  for (let i = 0; i < regex.length; i++) {
    const character = regex[i]!;
    if (character === "\\") i++;
    else if (character === "[") isClass = true;
    else if (character === "]") isClass = false;
    else if (character === "(" && !isClass) depth++;
    else if (character === ")" && !isClass) depth--;
    else if (character === "|" && depth === 0 && !isClass) {
      alternatives.push(regex.slice(start, i));
      start = i + 1;
    }
  }
  return [...alternatives, regex.slice(start)];
}

/** Whether no token of a BPE reaches over the cut, so that no pair is ever joined across it. */
function modelSeparates(
  { model, tokens }: Rules,
  site: Site,
  steps: readonly Step[],
  space: string,
): boolean {
  const { continuing_subword_prefix: prefix, end_of_word_suffix: suffix, ignore_merges: ignores } = model;
  // Equal scores of a unigram model are decided by rounding, which depends on the whole word.
  if (
    model.type !== "BPE" ||
    ignores === true ||
    [prefix, suffix].some((each) => each != null && each !== "")
  )
    return false;
  const hasMetaspace = steps.some(({ type }) => type === "Metaspace");
  const isByteLevel = steps.some(({ type }) => type === "ByteLevel");
  const [plain, byteLevel] = site === "space" ? [" ", "Ġ"] : ["\n", "Ċ"];
  const border = isByteLevel
    ? byteLevel
    : site === "space" && hasMetaspace
      ? "▁"
      : site === "space"
        ? space
        : plain;
  let isKnown = false;
  for (const token of tokens) {
    if (token === border) isKnown = true;
    const at = site === "space" ? token.lastIndexOf(border) : token.indexOf(border);
    if (at < 0) continue;
    // Before the space there may only be spaces, and after the line end only line ends.
    const beyond = site === "space" ? token.slice(0, at) : token.slice(at);
    if (Array.from(beyond).some((character) => character !== border)) return false;
  }
  // An unknown border could be joined to unknown characters beside it.
  return isKnown;
}
