/** How much of what a model writes is repeated or no word at all (the token rates of Belhaouari and Kraidia 2025, figure 17, made definite). */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Split } from "../data/split";
import type { Tokenizer } from "../data/tokenizers/tokenizer";
import { requireNextToken } from "../models/classifier";
import { dimensionsOf } from "../models/model";
import { continuePrompts, type GenerationOptions } from "./generation";
import { defineMetric, type EvaluationLab, splitOf, type Subject, tokenizerOf } from "./metric";
import { type Interval, meanOf, resampleIntervals } from "../../statistics/resampling";
import { meaninglessWords, repeatedNgrams, repeatedTokens, wordsOf } from "./tokenRates";

const options = z.strictObject({
  prompts: z
    .array(z.string().min(1))
    .min(1)
    .default(["Once upon a time", "The Industrial Revolution"])
    .describe("Beginnings to write on from; those of the paper when left out."),
  lengths: z
    .array(z.int().min(4))
    .min(1)
    .default([128, 512])
    .describe("Tokens that are written; what is too long for the model is left out, and told."),
  top_p: z
    .number()
    .gt(0)
    .max(1)
    .default(0.9)
    .describe("Sampled texts take the fewest tokens of this probability."),
  seeds: z
    .array(z.int().min(0))
    .default([0, 1, 2])
    .describe("Seeds of the sampled texts; beside them one text a prompt takes the most likely tokens."),
  ngram: z.int().min(1).default(4).describe("Tokens of a stretch that counts as repeated."),
  window: z.int().min(1).default(128).describe("Tokens back in which a token counts as repeated."),
  min_count: z.int().min(1).default(5).describe("How often the training text has a word that counts as one."),
});
type Options = z.output<typeof options>;

type RateName = "ngrams" | "repeated" | "meaningless";
type Rates = Readonly<Record<RateName, number>>;

export interface LengthRates extends Rates {
  readonly length: number;
  readonly texts: number;
  /** 95 % over the texts. */
  readonly intervals: Readonly<Record<RateName, Interval>>;
}

export default defineMetric<Options, { readonly rates: readonly LengthRates[] }>({
  title: "Repeated and meaningless text",
  options,
  needs: ["data", "tokenizer"],
  goals: {
    "repetition/rep*": "minimize",
    "repetition/meaningless_*": "minimize",
  },
  samples: [{ prompts: ["aa"], lengths: [8], seeds: [1], min_count: 1 }],
  checkModel: (shape) => requireNextToken(shape, "it writes nothing"),
  check: ({ shape }, given) => {
    lengthsFor(shape, given.lengths);
  },
  evaluate: async (subject, given, lab) => {
    requireNextToken(subject.shape, "it writes nothing");
    const { fits, left } = lengthsFor(subject.shape, given.lengths);
    const tokenizer = tokenizerOf(subject);
    const known = frequentWords(splitOf(subject.data, "train"), tokenizer, given.min_count);
    const rates: LengthRates[] = [];
    for (const length of fits) rates.push(await ratesAt(length, subject, given, known, lab));
    return {
      values: Object.fromEntries(
        rates.flatMap(({ length, ngrams, repeated, meaningless }) => [
          [`repetition/rep${given.ngram}_${length}`, ngrams],
          [`repetition/repeated_${length}`, repeated],
          [`repetition/meaningless_${length}`, meaningless],
        ]),
      ),
      lines: [
        ...rates.map((each) => rateLine(each, given)),
        ...left.map(
          (length) =>
            `${length} tokens are left out: the model sees ${dimensionsOf(subject.shape).context} at once.`,
        ),
      ],
      details: { rates },
    };
  },
});

function rateLine({ length, texts, intervals, ...rates }: LengthRates, { ngram, window }: Options): string {
  const percent = (share: number) => (100 * share).toFixed(1);
  const said = (name: RateName) =>
    `${percent(rates[name])} % (${percent(intervals[name][0])} to ${percent(intervals[name][1])})`;
  return `${length} tokens: ${said("ngrams")} of ${ngram}-grams repeated, ${said("repeated")} of tokens seen in the last ${window}, ${said("meaningless")} of words unknown; ${texts} texts`;
}

/** Those that a model can write after at least one token of a prompt. */
function lengthsFor(shape: Subject["shape"], lengths: readonly number[]) {
  const { context } = dimensionsOf(shape);
  const fits = lengths.filter((length) => length < context);
  if (fits.length > 0) return { fits, left: lengths.filter((length) => length >= context) };
  throw new WorkbenchError(
    "invalid-input",
    `repetition.lengths ${lengths.join(", ")} are all too long for a model that sees ${context} tokens at once. Give one below that.`,
  );
}

async function ratesAt(
  length: number,
  subject: Subject,
  given: Options,
  known: ReadonlySet<string>,
  lab: EvaluationLab,
): Promise<LengthRates> {
  const each: Rates[] = [];
  for (const sampling of [undefined, ...given.seeds]) {
    const texts = await continuePrompts(
      subject,
      given.prompts,
      generationOf(length, given.top_p, sampling),
      lab,
    );
    for (const { ids, text } of texts)
      each.push({
        ngrams: repeatedNgrams(ids, given.ngram),
        repeated: repeatedTokens(ids, given.window),
        meaningless: meaninglessWords(text, (word) => known.has(word)),
      });
  }
  const means = (places: readonly number[]): Rates => ({
    ngrams: meanOf(places.map((at) => each[at]!.ngrams)),
    repeated: meanOf(places.map((at) => each[at]!.repeated)),
    meaningless: meanOf(places.map((at) => each[at]!.meaningless)),
  });
  const intervals = resampleIntervals(each.length, { resamples: 500, seed: lab.seed }, means)!;
  return { length, texts: each.length, ...means(each.map((_, i) => i)), intervals };
}

function generationOf(length: number, top_p: number, seed: number | undefined): GenerationOptions {
  return {
    max_new_tokens: length,
    do_sample: seed !== undefined,
    temperature: 1,
    top_k: 0,
    top_p,
    repetition_penalty: 1,
    stop: [],
    stop_token_ids: [],
    use_cache: true,
    add_special_tokens: true,
    seed: seed ?? 0,
  };
}

/** Tokens that are decoded at a time, and read in all: enough text to know the words of any of it. */
const pieceTokens = 65_536;
const mostTokens = 20_000_000;

function frequentWords(split: Split, tokenizer: Tokenizer, least: number): Set<string> {
  const counts = new Map<string, number>();
  let rest = "";
  const end = Math.min(split.tokens, mostTokens);
  for (let at = 0; at < end; at += pieceTokens) {
    const text = rest + tokenizer.decode(split.read(at, Math.min(pieceTokens, end - at)));
    // The last word may go on in the next piece.
    const cut = at + pieceTokens < end ? text.search(/\S*$/) : text.length;
    rest = text.slice(cut);
    for (const word of wordsOf(text.slice(0, cut))) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return new Set([...counts].flatMap(([word, count]) => (count >= least ? [word] : [])));
}
