/**
 * Seeded texts that test retrieval over a long context. Pairs of a key and a value are at different depths of filler
 * words, and each question at the end repeats a key, whose value is the answer. One pair is a needle in a haystack, several
 * are a multi-key passkey task (RULER, Hsieh et al. 2024, which uses sentences in place of pairs):
 *
 *     the tree and QK38 a small boat or AB10 they see
 *     AB10
 *     QK38
 */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { WorkbenchError } from "../../protocol/errors";
import type { DataOptions } from "../../schema/experiment";
import type { PasskeyOptions } from "../../schema/passkeys";

/** What pairs look like, and how many a text has. */
export type PairOptions = Pick<PasskeyOptions, "pairs" | "key_length" | "value_length" | "values">;

export interface PasskeyDocument {
  readonly text: string;
  /** Start and end of each answer in the text. */
  readonly answers: readonly (readonly [number, number])[];
}

export interface PasskeyPrompt {
  /** Ends with the question, its key. */
  readonly text: string;
  readonly answer: string;
}

interface Pair {
  readonly key: string;
  readonly value: string;
}

/** A pair with its depth in the filler, from 0 at the start to 1 at the end. */
interface PlacedPair extends Pair {
  readonly depth: number;
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const digits = "0123456789";
const words = [
  ..."the and a of to in is it on at we they see go run small big".split(" "),
  ..."old new red tree boat house river hill road day night sun rain".split(" "),
];

/** Documents of equal length in the order of their draws: the first ones do not depend on how many there are. */
export function* generateDocuments(options: PasskeyOptions): Generator<PasskeyDocument> {
  const random = xoroshiro128plus(options.seed);
  for (let i = 0; i < options.documents; i++) yield drawDocument(options, random);
}

function drawDocument(options: PasskeyOptions, random: RandomGenerator): PasskeyDocument {
  const pairs = drawPairs(options, random);
  // In another order each time, so that no distance in the text leads from one question to its repetition.
  const rounds = Math.ceil(options.questions / pairs.length);
  const asked = Array.from({ length: rounds }, () => shuffle(pairs, random))
    .flat()
    .slice(0, options.questions);
  const questionLength = asked.length * getQuestionLength(options);
  let text = writeContext(pairs, options.length - questionLength, random);
  const answers: [number, number][] = [];
  for (const { key, value } of asked) {
    text += writeQuestion(key);
    answers.push([text.length, text.length + value.length]);
    text += value;
  }
  return { text, answers };
}

/**
 * A function that writes one prompt at any length in characters: the same pairs in more or less filler, the pair of the
 * question at `depth`. Prompts of different `number` are independent, and also of the documents of the same seed.
 */
export function createPrompt(
  options: PairOptions,
  { seed, number, depth }: { readonly seed: number; readonly number: number; readonly depth: number },
): (length: number) => PasskeyPrompt {
  const random = xoroshiro128plus(seed);
  for (let i = 0; i <= number; i++) random.jump();
  const [needle, ...others] = drawPairs(options, random);
  const pairs = [{ ...needle!, depth }, ...others];
  const question = writeQuestion(needle!.key);
  return (length) => ({
    text: writeContext(pairs, length - question.length, random.clone()) + question,
    answer: needle!.value,
  });
}

/** Characters of a prompt without filler. */
export function getShortestPrompt(options: PairOptions): number {
  return options.pairs * getPairLength(options) + getQuestionLength(options) - options.value_length;
}

function drawPairs(
  { pairs, key_length, value_length, values }: PairOptions,
  random: RandomGenerator,
): PlacedPair[] {
  const keys = new Set<string>();
  while (keys.size < pairs) keys.add(drawText(letters, key_length, random));
  return Array.from(keys, (key) => ({
    key,
    value: drawText(values === "digits" ? digits : letters, value_length, random),
    depth: uniformFloat64(random),
  }));
}

function drawText(alphabet: string, length: number, random: RandomGenerator): string {
  return Array.from({ length }, () => alphabet[uniformInt(random, 0, alphabet.length - 1)]!).join("");
}

function shuffle<T>(list: readonly T[], random: RandomGenerator): T[] {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = uniformInt(random, 0, i);
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}

function writeQuestion(key: string): string {
  return `\n${key}`;
}

/** With its answer. */
function getQuestionLength({ key_length, value_length }: PairOptions): number {
  return writeQuestion("").length + key_length + value_length;
}

/** With the space after it. */
function getPairLength({ key_length, value_length }: PairOptions): number {
  return key_length + value_length + 1;
}

/** Exactly `length` characters: words with the pairs between them. The last word is as long as there is room. */
function writeContext(pairs: readonly PlacedPair[], length: number, random: RandomGenerator): string {
  const texts = [...pairs].sort((a, b) => a.depth - b.depth).map(({ key, value }) => key + value);
  const depths = pairs.map(({ depth }) => depth).sort((a, b) => a - b);
  const filler = drawFiller(length - texts.reduce((sum, text) => sum + text.length + 1, 0), random);
  const parts: string[] = [];
  let next = 0;
  for (let i = 0; i <= filler.length; i++) {
    while (next < texts.length && Math.round(depths[next]! * filler.length) === i) parts.push(texts[next++]!);
    if (i < filler.length) parts.push(filler[i]!);
  }
  return parts.join(" ").padEnd(length);
}

/** Words that fill `room` characters, with a space after each. */
function drawFiller(room: number, random: RandomGenerator): string[] {
  const filler: string[] = [];
  for (let left = room; left > 1; left -= filler.at(-1)!.length + 1)
    filler.push(words[uniformInt(random, 0, words.length - 1)]!.slice(0, left - 1));
  return filler;
}

/** Refuses documents that cannot be written, and sequences that could separate a question from its pair. */
export function refuseImpossiblePasskeys({ passkeys, packing, sequence_len }: DataOptions): void {
  if (passkeys === undefined) return;
  const { length, pairs, questions } = passkeys;
  refuseTooManyKeys(passkeys, "data.passkeys.");
  const least = pairs * getPairLength(passkeys) + questions * getQuestionLength(passkeys);
  if (length < least)
    throw new WorkbenchError(
      "invalid-input",
      `data.passkeys.length is ${length}, but ${pairs} pairs and ${questions} questions have ${least} characters. ` +
        "Raise it, or lower passkeys.pairs or passkeys.questions.",
    );
  if (packing)
    throw new WorkbenchError(
      "invalid-input",
      "data.packing has to be false for data.passkeys, because a packed sequence may have questions without their pairs.",
    );
  if (sequence_len < length)
    throw new WorkbenchError(
      "invalid-input",
      `data.sequence_len is ${sequence_len}, but a document of data.passkeys has up to ${length} tokens, and its questions must be in the sequence of their pairs. ` +
        "Raise it, or lower passkeys.length.",
    );
}

/** `prefix` precedes the names of the options in the message. */
export function refuseTooManyKeys({ pairs, key_length }: PairOptions, prefix = ""): void {
  const keys = letters.length ** key_length;
  if (pairs <= keys) return;
  throw new WorkbenchError(
    "invalid-input",
    `${prefix}pairs is ${pairs}, but there are only ${keys} keys of ${key_length === 1 ? "1 letter" : `${key_length} letters`}. ` +
      `Lower it, or raise ${prefix}key_length.`,
  );
}
