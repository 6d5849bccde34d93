/**
 * Generates text from prompts, token by token, in batches. The model reads a prompt once and caches the keys and values of
 * all tokens, so that each further token is one short step. A text longer than the model's context continues from its last
 * tokens. Their positions change with each token, so the model then reads all of them again for each token.
 */
import { WorkbenchError } from "../../protocol/errors";
import type { Tokenizer } from "../data/tokenizers/tokenizer";
import { type PlacedToken, refuseTokensWithoutRow } from "../data/tokenizers/vocabularyFit";
import { sizeOf } from "../graph/op";
import { requireNextToken } from "../models/classifier";
import { listCacheNames, type CacheSizes, getCacheType } from "../models/keyValueCache";
import { dimensionsOf } from "../models/model";
import { type EvaluationLab, type Subject, getTokenizer } from "./metric";
import { checkCache, checkExits, openNextToken } from "./openNextToken";
import { shortenPrompts } from "./shortenPrompts";
import { openWithoutCache } from "./nextToken";
import { selectCandidates, draw, findMostLikely, penalizeRepetition, type SamplingOptions } from "./sampling";
import {
  type Continuation,
  type Ends,
  type Prompt,
  type GenerationListener,
  type TextOptions,
  type GenerationTimes,
  framePrompt,
  GeneratedText,
} from "./generatedText";

export interface GenerationOptions extends SamplingOptions, TextOptions {
  readonly max_new_tokens: number;
  /** False always takes the most likely token. */
  readonly do_sample: boolean;
  readonly repetition_penalty: number;
  readonly stop_token_ids: readonly number[];
  /** False reads the whole text again for each token. */
  readonly use_cache: boolean;
  /** Prompts that are continued together, if memory allows it; 8 when left out. */
  readonly batch_size?: number;
}

/** Takes the most likely token each time, until an end-of-text token. */
export const greedyOptions: Omit<GenerationOptions, "max_new_tokens"> = {
  do_sample: false,
  temperature: 1,
  top_k: 0,
  top_p: 1,
  repetition_penalty: 1,
  stop: [],
  stop_token_ids: [],
  use_cache: true,
  add_special_tokens: true,
  seed: 0,
};

type WithTokenizer = Pick<Subject, "shape" | "inference"> & { readonly tokenizer: Tokenizer };

const promptsAtOnce = 8;
/** Memory limit for keys and values of a batch of prompts; a single prompt may exceed it. */
const maxCacheBytes = 2 ** 30;

export async function continuePrompts(
  subject: Subject,
  prompts: readonly Prompt[],
  options: GenerationOptions,
  lab: EvaluationLab,
  listener: GenerationListener = {},
): Promise<Continuation[]> {
  const tokenizer = getTokenizer(subject);
  const read = await shortenPrompts({ ...subject, tokenizer }, prompts, options, lab);
  const texts = await createTexts({ ...subject, tokenizer }, read, options, listener);
  const atOnce = computeBatchSize(subject, texts, options);
  const steps = Math.ceil(prompts.length / atOnce) * options.max_new_tokens;
  for (let first = 0; first < texts.length; first += atOnce) {
    const some = texts.slice(first, first + atOnce);
    const done = (first / atOnce) * options.max_new_tokens;
    const progress = (step: number) => lab.progress(done + step, steps, "tokens");
    // The budget of a cache policy is a share of the slots, so it must not depend on how texts are divided into batches.
    const slots = computeSlots(subject, subject.inference?.cache === undefined ? some : texts, options);
    const times = await generateTogether(subject, some, slots, options, { ...lab, progress });
    listener.onTimed?.(times);
  }
  return texts.map((text) => text.continuation);
}

/** Encodes the prompts; refuses prompts that the model cannot continue. */
export async function createTexts(
  subject: WithTokenizer,
  prompts: readonly Prompt[],
  options: GenerationOptions,
  listener: GenerationListener = {},
): Promise<GeneratedText[]> {
  requireNextToken(subject.shape, "it cannot generate text");
  const { tokenizer } = subject;
  const ends = await findEnds(subject, options);
  const framed = await Promise.all(prompts.map((prompt) => framePrompt(prompt, tokenizer, options)));
  const lengths = framed.map(({ ids, oneByOne = 0 }) => ids.length - oneByOne);
  const longest = Math.max(0, ...framed.map(({ ids }) => ids.length)) + options.max_new_tokens - 1;
  if (options.use_cache && lengths.length > 0) checkCache(subject, lengths, longest);
  checkExits(subject, longest);
  return framed.map((prompt, i) => {
    const text = new GeneratedText(prompt, tokenizer, options, ends, i, listener);
    refuseLong(text, i, subject);
    refuseTokensWithoutRow(dimensionsOf(subject.shape).vocabulary, (rows) =>
      findInPrompt(text.ids, i, tokenizer, rows),
    );
    return text;
  });
}

async function generateTogether(
  subject: Subject,
  texts: readonly GeneratedText[],
  slots: number,
  options: GenerationOptions,
  {
    engine,
    signal,
    progress,
  }: Pick<EvaluationLab, "engine" | "signal"> & {
    readonly progress: (step: number) => void;
  },
): Promise<GenerationTimes> {
  const { vocabulary } = dimensionsOf(subject.shape);
  const sizes = { batch: texts.length, slots };
  const tokens = () => texts.reduce((total, { ids }) => total + ids.length, 0);
  const promptTokens = tokens();
  await using next = options.use_cache
    ? openNextToken(
        engine,
        subject,
        sizes,
        texts.map(({ seed }) => seed),
      )
    : await openWithoutCache(engine, subject, sizes);
  const startedAt = performance.now();
  for (let left = Math.max(...texts.map(({ oneByOne }) => oneByOne)); left > 0; left--)
    await next.logits(
      texts.map(({ ids }) => ({ ids: ids.slice(0, -left), isOpen: true })),
      signal,
    );
  let [readAt, readTokens] = [startedAt, promptTokens];
  for (let step = 0; step < options.max_new_tokens && texts.some(({ isOpen }) => isOpen); step++) {
    const logits = await next.logits(texts, signal);
    texts.forEach((text, i) => {
      if (!text.isOpen) return;
      if (next.stopped?.has(i) === true) {
        text.endAtExit();
        return;
      }
      const textLogits = logits.subarray(i * vocabulary, (i + 1) * vocabulary);
      penalizeRepetition(textLogits, text.ids, options.repetition_penalty);
      text.add(
        options.do_sample
          ? draw(selectCandidates(textLogits, options), text.uniform())
          : findMostLikely(textLogits),
      );
    });
    if (step === 0) [readAt, readTokens] = [performance.now(), tokens()];
    progress(step + 1);
  }
  const seconds = (from: number, to: number) => (to - from) / 1000;
  const times = {
    prompt_tokens: promptTokens,
    prompt_seconds: seconds(startedAt, readAt),
    new_tokens: tokens() - readTokens,
    new_seconds: seconds(readAt, performance.now()),
  };
  for (const text of texts) text.close();
  const { exitUse } = next;
  return exitUse === undefined ? times : { ...times, exits: exitUse };
}

/** Maximum length of the texts before their last token, limited by the model's context. */
function computeSlots(
  { shape }: Subject,
  texts: readonly GeneratedText[],
  { max_new_tokens: more }: GenerationOptions,
): number {
  return Math.min(dimensionsOf(shape).context, Math.max(...texts.map(({ ids }) => ids.length)) + more - 1);
}

function computeBatchSize(
  subject: Subject,
  texts: readonly GeneratedText[],
  options: GenerationOptions,
): number {
  const { batch_size: most = promptsAtOnce } = options;
  if (!options.use_cache) return most;
  const dimensions = dimensionsOf(subject.shape);
  const sizes: CacheSizes = { batch: 1, slots: computeSlots(subject, texts, options) };
  const bytes = 4 * listCacheNames(dimensions).length * sizeOf(getCacheType(dimensions, sizes).shape);
  return Math.max(1, Math.min(most, Math.floor(maxCacheBytes / bytes)));
}

/** The tokens that end a text, according to the tokenizer, the model and the options. */
async function findEnds(
  { shape, tokenizer }: WithTokenizer,
  { stop, stop_token_ids }: GenerationOptions,
): Promise<Ends> {
  const special = (await Promise.all(stop.map((text) => findSpecialId(tokenizer, text)))).flatMap(
    (id) => id ?? [],
  );
  const ends = [tokenizer.endOfText, shape.config["eos_token_id"]].flat();
  return new Map([
    ...[...stop_token_ids, ...special].map((id) => [id, "stop"] as const),
    ...ends.flatMap((id) => (typeof id === "number" ? [[id, "end_of_text"] as const] : [])),
  ]);
}

/** The id of a special token, which decodes to an empty text. */
async function findSpecialId(tokenizer: Tokenizer, text: string): Promise<number | undefined> {
  let ids: Int32Array;
  try {
    ids = await tokenizer.encode(text);
  } catch (thrown) {
    if (thrown instanceof WorkbenchError && thrown.code === "invalid-input") return undefined; // Not encodable.
    throw thrown;
  }
  return ids.length === 1 && tokenizer.decode(ids) === "" ? ids[0] : undefined;
}

function refuseLong({ ids }: GeneratedText, index: number, { shape }: Pick<Subject, "shape">): void {
  const { context } = dimensionsOf(shape);
  if (ids.length <= context) return;
  throw new WorkbenchError(
    "invalid-input",
    `Prompt ${index + 1} has ${ids.length} tokens, but the model's context is ${context} tokens. ` +
      `Shorten it to ${context} tokens, or use a model with a longer context.`,
  );
}

function findInPrompt(
  ids: readonly number[],
  index: number,
  tokenizer: Tokenizer,
  rows: number,
): PlacedToken | undefined {
  const at = ids.findIndex((id) => id >= rows);
  if (at < 0) return undefined;
  const place = `token ${at + 1} of prompt ${index + 1}`;
  return { id: ids[at]!, name: tokenizer.nameOf(ids[at]!), place };
}
