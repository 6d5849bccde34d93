/**
 * Writes on from prompts, token by token, some of them at once. The model reads a prompt once and keeps the keys and values
 * of all tokens, so that each further token is one short step. A text that outgrows the model's context goes on from its
 * last tokens; as their positions move with each token, all of them are then read again for each.
 */
import { WorkbenchError } from "../../protocol/errors";
import type { Tokenizer } from "../data/tokenizers/tokenizer";
import { sizeOf } from "../graph/op";
import { cacheNames, type CacheSizes, cacheType } from "../models/keyValueCache";
import { dimensionsOf } from "../models/model";
import { type EvaluationLab, type Subject, tokenizerOf } from "./metric";
import { withoutCache, WithCache } from "./nextToken";
import { candidates, draw, mostLikely, penaliseRepetition, type SamplingOptions } from "./sampling";
import { type Continuation, type Ends, type Prompt, type WritingOptions, WrittenText } from "./writtenText";

export interface GenerationOptions extends SamplingOptions, WritingOptions {
  readonly max_new_tokens: number;
  /** False takes the most likely token each time. */
  readonly do_sample: boolean;
  readonly repetition_penalty: number;
  readonly stop_token_ids: readonly number[];
  /** False reads the whole text again for each token. */
  readonly use_cache: boolean;
}

/** Called with each piece of text as it is written. */
export type OnText = (prompt: number, text: string) => void;

const mostPromptsAtOnce = 8;
/** Keys and values of all prompts of a batch; where one prompt alone needs more, it has it. */
const mostCacheBytes = 2 ** 30;

export async function continuePrompts(
  subject: Subject,
  prompts: readonly Prompt[],
  options: GenerationOptions,
  lab: EvaluationLab,
  onText: OnText = () => undefined,
): Promise<Continuation[]> {
  const tokenizer = tokenizerOf(subject);
  checkVocabulary(subject, tokenizer);
  const ends = endsOf(subject, tokenizer, options);
  const texts = prompts.map(
    (prompt, i) => new WrittenText(prompt, tokenizer, options, ends, i, (text) => onText(i, text)),
  );
  texts.forEach((text, i) => refuseLong(text, i, subject));
  const atOnce = promptsAtOnce(subject, texts, options);
  const steps = Math.ceil(prompts.length / atOnce) * options.max_new_tokens;
  for (let first = 0; first < texts.length; first += atOnce) {
    const some = texts.slice(first, first + atOnce);
    const done = (first / atOnce) * options.max_new_tokens;
    await writeTogether(subject, some, options, lab, (step) => lab.progress(done + step, steps, "tokens"));
  }
  return texts.map((text) => text.continuation);
}

async function writeTogether(
  subject: Subject,
  texts: readonly WrittenText[],
  options: GenerationOptions,
  lab: EvaluationLab,
  progress: (step: number) => void,
): Promise<void> {
  const { vocabulary } = dimensionsOf(subject.shape);
  const sizes = { batch: texts.length, slots: slotsFor(subject, texts, options) };
  await using next = options.use_cache
    ? new WithCache(lab.engine, subject, sizes)
    : await withoutCache(lab.engine, subject, sizes);
  for (let step = 0; step < options.max_new_tokens && texts.some(({ isOpen }) => isOpen); step++) {
    const logits = await next.logits(texts, lab.signal);
    texts.forEach((text, i) => {
      if (!text.isOpen) return;
      const own = logits.subarray(i * vocabulary, (i + 1) * vocabulary);
      penaliseRepetition(own, text.ids, options.repetition_penalty);
      text.add(options.do_sample ? draw(candidates(own, options), text.uniform()) : mostLikely(own));
    });
    progress(step + 1);
  }
  for (const text of texts) text.close();
}

/** The longest that one of the texts can become before its last token, within the model's context. */
function slotsFor(
  { shape }: Subject,
  texts: readonly WrittenText[],
  { max_new_tokens: more }: GenerationOptions,
): number {
  return Math.min(dimensionsOf(shape).context, Math.max(...texts.map(({ ids }) => ids.length)) + more - 1);
}

function promptsAtOnce(subject: Subject, texts: readonly WrittenText[], options: GenerationOptions): number {
  if (!options.use_cache) return mostPromptsAtOnce;
  const dimensions = dimensionsOf(subject.shape);
  const sizes: CacheSizes = { batch: 1, slots: slotsFor(subject, texts, options) };
  const bytes = 4 * cacheNames(dimensions).length * sizeOf(cacheType(dimensions, sizes).shape);
  return Math.max(1, Math.min(mostPromptsAtOnce, Math.floor(mostCacheBytes / bytes)));
}

/** What ends a text: what the tokenizer, the model and the options say. */
function endsOf({ shape }: Subject, tokenizer: Tokenizer, { stop, stop_token_ids }: GenerationOptions): Ends {
  // A special token has no text in which it could be found.
  const special = stop.flatMap((text) => {
    const ids = tokenizer.encode(text);
    return ids.length === 1 && tokenizer.decode(ids) === "" ? [ids[0]!] : [];
  });
  const ends = [tokenizer.endOfText, tokenizer.endOfAnswer, shape.config["eos_token_id"]].flat();
  return new Map([
    ...[...stop_token_ids, ...special].map((id) => [id, "stop"] as const),
    ...ends.flatMap((id) => (typeof id === "number" ? [[id, "end_of_text"] as const] : [])),
  ]);
}

function refuseLong({ ids }: WrittenText, index: number, { shape }: Subject): void {
  const { context } = dimensionsOf(shape);
  if (ids.length <= context) return;
  throw new WorkbenchError(
    "invalid-input",
    `Prompt ${index + 1} has ${ids.length} tokens, and the model sees ${context} at once. ` +
      `Shorten it to ${context} tokens, or use a model of a longer context.`,
  );
}

function checkVocabulary({ shape }: Subject, tokenizer: Tokenizer): void {
  const { vocabulary } = dimensionsOf(shape);
  if (tokenizer.vocabSize <= vocabulary) return;
  throw new WorkbenchError(
    "invalid-input",
    `The tokenizer ${tokenizer.id} has ${tokenizer.vocabSize} tokens, the model only ${vocabulary}. Name the tokenizer that the model was trained with.`,
  );
}
