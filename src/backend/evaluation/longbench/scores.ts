/**
 * The scores of LongBench (Bai et al., LongBench: A Bilingual, Multitask Benchmark for Long Context Understanding, ACL 2024,
 * arXiv 2308.14508) of one prediction against one answer, from 0 to 1.
 */
import { splitAtSpaces, strip } from "../harness/pythonText";
import { computeRougeL } from "./rougeL";
import { computeSequenceRatio } from "./sequenceRatio";

type Score = (prediction: string, answer: string, classes: readonly string[]) => number;

/** What Python's `\w` is. */
const wordCharacter = "[\\p{L}\\p{N}_]";
const article = new RegExp(`(?<!${wordCharacter})(?:a|an|the)(?!${wordCharacter})`, "gu");
const punctuation = /[!-/:-@[-`{-~]/g;

/** Words in lower case without ASCII punctuation and English articles. */
function normalizeWords(text: string): string[] {
  const plain = strip(text.toLowerCase().replace(punctuation, "").replace(article, " "));
  return plain === "" ? [] : splitAtSpaces(plain);
}

/** F1 of the words that both have, each as often as it occurs in both. */
function scoreQuestion(prediction: string, answer: string): number {
  const [predicted, expected] = [normalizeWords(prediction), normalizeWords(answer)];
  const left = new Map<string, number>();
  for (const word of expected) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of predicted) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    common++;
    left.set(word, count - 1);
  }
  if (common === 0) return 0;
  const [precision, recall] = [common / predicted.length, common / expected.length];
  return (2 * precision * recall) / (precision + recall);
}

/**
 * One over the number of classes that the prediction names, if the answer is among them. A class whose name is part of the
 * answer does not count; as published, the class after it in the list is then not looked at and counts.
 */
function scoreClass(prediction: string, answer: string, classes: readonly string[]): number {
  const named = classes.filter((name) => prediction.includes(name));
  for (let i = 0; i < named.length; i++)
    if (named[i] !== answer && answer.includes(named[i]!)) named.splice(named.indexOf(named[i]!), 1);
  return named.includes(answer) ? 1 / named.length : 0;
}

const paragraph = /(?:Paragraph |段落)(\p{Nd}+)/u;

/** The number of the paragraph that an answer names; undefined if it names none. */
export function findParagraph(answer: string): string | undefined {
  return paragraph.exec(answer)?.[1];
}

/** Share of the numbers in the prediction that are the right one. */
function scoreNumber(prediction: string, number: string | undefined): number {
  const numbers = prediction.match(/\p{Nd}+/gu) ?? [];
  return numbers.length === 0 ? 0 : numbers.filter((each) => each === number).length / numbers.length;
}

/** Similarity in whole percent of the answer and the first line that is neither a comment nor Markdown. */
function scoreCode(prediction: string, answer: string): number {
  const line = dropLineEnds(prediction)
    .split("\n")
    .find((each) => !/`|#|\/\//.test(each));
  return computePercentRatio(line ?? "", answer) / 100;
}

/** As `fuzz.ratio` of the Python package fuzzywuzzy: rounded, halves to the even number. */
function computePercentRatio(first: string, second: string): number {
  if (first === second) return 100;
  if (first === "" || second === "") return 0;
  const percent = 100 * computeSequenceRatio(first, second);
  const floor = Math.floor(percent);
  return percent - floor === 0.5 ? floor + (floor % 2) : Math.round(percent);
}

/** Without the line ends at the start. */
const dropLineEnds = (text: string): string => text.replace(/^\n+/, "");

export const scores = {
  qa_f1: scoreQuestion,
  rouge_l: computeRougeL,
  classification: scoreClass,
  retrieval: (prediction, answer) => scoreNumber(prediction, findParagraph(answer)),
  count: scoreNumber,
  code_sim: scoreCode,
} satisfies Readonly<Record<string, Score>>;

export type ScoreName = keyof typeof scores;

export interface Scoring {
  readonly score: ScoreName;
  /** Whether only the first line of a prediction counts. */
  readonly firstLine?: boolean;
}

/** The best score against any of the answers. */
export function scorePrediction(
  { score: name, firstLine }: Scoring,
  text: string,
  answers: readonly string[],
  classes: readonly string[],
): number {
  const score: Score = scores[name];
  const prediction = firstLine === true ? dropLineEnds(text).split("\n")[0]! : text;
  return answers.reduce((best, answer) => Math.max(best, score(prediction, answer, classes)), 0);
}
