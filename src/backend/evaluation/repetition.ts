/** Rates of repeated and meaningless text in a model's output (a precise form of Belhaouari and Kraidia 2025, figure 17). */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Split } from "../data/split";
import type { Tokenizer } from "../data/tokenizers/tokenizer";
import { requireNextToken } from "../models/classifier";
import { dimensionsOf } from "../models/model";
import { continuePrompts, type GenerationOptions, greedyOptions } from "./generation";
import { defineMetric, type EvaluationLab, getSplit, type Subject, getTokenizer } from "./metric";
import { type Interval, computeMean, resampleIntervals } from "../../statistics/resampling";
import {
  measureMeaninglessWords,
  measureRepeatedNgrams,
  measureRepeatedTokens,
  splitWords,
} from "./tokenRates";

const optionsSchema = z.strictObject({
  prompts: z
    .array(z.string().min(1))
    .min(1)
    .default(["Once upon a time", "The Industrial Revolution"])
    .describe("Prompts to continue. The default is the prompts of the paper."),
  lengths: z
    .array(z.int().min(4))
    .min(1)
    .default([128, 512])
    .describe(
      "Numbers of tokens to generate. Lengths that exceed the model's context are skipped and reported.",
    ),
  top_p: z
    .number()
    .gt(0)
    .max(1)
    .default(0.9)
    .describe("Sample from the fewest tokens whose total probability is at least this."),
  seeds: z
    .array(z.int().min(0))
    .default([0, 1, 2])
    .describe("Seeds of the sampled texts. One more text per prompt takes the most likely tokens."),
  ngram: z.int().min(1).default(4).describe("Tokens per n-gram for the rate of repeated n-grams."),
  window: z
    .int()
    .min(1)
    .default(128)
    .describe("A token counts as repeated if it occurs in this many tokens before it."),
  min_count: z
    .int()
    .min(1)
    .default(5)
    .describe("A word is known if it occurs at least this often in the training text."),
});
type Options = z.output<typeof optionsSchema>;

type RateName = "ngrams" | "repeated" | "meaningless";
type Rates = Readonly<Record<RateName, number>>;

export interface LengthRates extends Rates {
  readonly length: number;
  readonly texts: number;
  /** 95 % intervals over the texts. */
  readonly intervals: Readonly<Record<RateName, Interval>>;
}

export default defineMetric<Options, { readonly rates: readonly LengthRates[] }>({
  title: "Repeated and meaningless text",
  options: optionsSchema,
  needs: ["data", "tokenizer"],
  inference: ["cache", "exits"],
  goals: {
    "repetition/rep*": "minimize",
    "repetition/meaningless_*": "minimize",
  },
  samples: [{ prompts: ["aa"], lengths: [8], seeds: [1], min_count: 1 }],
  checkModel: (shape) => requireNextToken(shape, "it cannot generate text"),
  countTokens: (shape, { lengths }) => Math.max(...selectLengths(shape, lengths).fits),
  check: ({ shape }, options) => {
    selectLengths(shape, options.lengths);
  },
  evaluate: async (subject, options, lab) => {
    requireNextToken(subject.shape, "it cannot generate text");
    const { fits, left } = selectLengths(subject.shape, options.lengths);
    const tokenizer = getTokenizer(subject);
    const knownWords = findFrequentWords(getSplit(subject.data, "train"), tokenizer, options.min_count);
    const rates: LengthRates[] = [];
    for (const length of fits) rates.push(await measureRates(length, subject, options, knownWords, lab));
    return {
      values: Object.fromEntries(
        rates.flatMap(({ length, ngrams, repeated, meaningless }) => [
          [`repetition/rep${options.ngram}_${length}`, ngrams],
          [`repetition/repeated_${length}`, repeated],
          [`repetition/meaningless_${length}`, meaningless],
        ]),
      ),
      lines: [
        ...rates.map((each) => formatRates(each, options)),
        ...left.map(
          (length) =>
            `Skipped ${length} tokens: the model's context is ${dimensionsOf(subject.shape).context} tokens.`,
        ),
      ],
      details: { rates },
    };
  },
});

function formatRates(
  { length, texts, intervals, ...rates }: LengthRates,
  { ngram, window }: Options,
): string {
  const percent = (share: number) => (100 * share).toFixed(1);
  const formatRate = (name: RateName) =>
    `${percent(rates[name])} % (${percent(intervals[name][0])} to ${percent(intervals[name][1])})`;
  return `${length} tokens: ${formatRate("ngrams")} of ${ngram}-grams repeated, ${formatRate("repeated")} of tokens seen in the last ${window}, ${formatRate("meaningless")} of words unknown; ${texts} texts`;
}

/** The lengths that a model can generate after at least one token of a prompt. */
function selectLengths(shape: Subject["shape"], lengths: readonly number[]) {
  const { context } = dimensionsOf(shape);
  const fits = lengths.filter((length) => length < context);
  if (fits.length > 0) return { fits, left: lengths.filter((length) => length >= context) };
  throw new WorkbenchError(
    "invalid-input",
    `repetition.lengths ${lengths.join(", ")} are all too long: the model's context is ${context} tokens. Include a length below ${context}.`,
  );
}

async function measureRates(
  length: number,
  subject: Subject,
  options: Options,
  knownWords: ReadonlySet<string>,
  lab: EvaluationLab,
): Promise<LengthRates> {
  const textRates: Rates[] = [];
  for (const sampling of [undefined, ...options.seeds]) {
    const texts = await continuePrompts(
      subject,
      options.prompts,
      createGenerationOptions(length, options.top_p, sampling),
      lab,
    );
    for (const { ids, text } of texts)
      textRates.push({
        ngrams: measureRepeatedNgrams(ids, options.ngram),
        repeated: measureRepeatedTokens(ids, options.window),
        meaningless: measureMeaninglessWords(text, (word) => knownWords.has(word)),
      });
  }
  const means = (places: readonly number[]): Rates => ({
    ngrams: computeMean(places.map((at) => textRates[at]!.ngrams)),
    repeated: computeMean(places.map((at) => textRates[at]!.repeated)),
    meaningless: computeMean(places.map((at) => textRates[at]!.meaningless)),
  });
  const intervals = resampleIntervals(textRates.length, { resamples: 500, seed: lab.seed }, means)!;
  return { length, texts: textRates.length, ...means(textRates.map((_, i) => i)), intervals };
}

function createGenerationOptions(length: number, top_p: number, seed: number | undefined): GenerationOptions {
  return {
    ...greedyOptions,
    max_new_tokens: length,
    do_sample: seed !== undefined,
    top_p,
    seed: seed ?? 0,
  };
}

/** Tokens to decode at a time, and in total: enough text to know its common words. */
const pieceTokens = 65_536;
const maxTokens = 20_000_000;

function findFrequentWords(split: Split, tokenizer: Tokenizer, minCount: number): Set<string> {
  const counts = new Map<string, number>();
  let rest = "";
  const end = Math.min(split.tokens, maxTokens);
  for (let at = 0; at < end; at += pieceTokens) {
    const text = rest + tokenizer.decode(split.read(at, Math.min(pieceTokens, end - at)));
    // The last word may continue in the next piece.
    const cut = at + pieceTokens < end ? text.search(/\S*$/) : text.length;
    rest = text.slice(cut);
    for (const word of splitWords(text.slice(0, cut))) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return new Set([...counts].flatMap(([word, count]) => (count >= minCount ? [word] : [])));
}
