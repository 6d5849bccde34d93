/**
 * Writes on from prompts, token by token. Each token is one pass over the whole text so far, in windows of a fixed size;
 * a text that outgrows the model's context is continued from its last tokens.
 */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { WorkbenchError } from "../../protocol/errors";
import { documentFrame, type Tokenizer } from "../data/tokenizers/tokenizer";
import { dimensionsOf } from "../models/model";
import { ForwardProgram } from "./forwardProgram";
import { type EvaluationLab, type Subject, tokenizerOf } from "./metric";
import { candidates, draw, mostLikely, penaliseRepetition, type SamplingOptions } from "./sampling";

export interface GenerationOptions extends SamplingOptions {
  readonly max_new_tokens: number;
  /** False takes the most likely token each time. */
  readonly do_sample: boolean;
  readonly repetition_penalty: number;
  /** Put the token that opens a document before each prompt, where the tokenizer has one. */
  readonly add_special_tokens: boolean;
  readonly seed: number;
}

export interface Continuation {
  readonly prompt: string;
  /** What was written after the prompt. */
  readonly text: string;
  readonly prompt_tokens: number;
  /** Ids of what was written; the token that ended it is not among them. */
  readonly ids: readonly number[];
  readonly finish: "length" | "end_of_text";
}

/** Called with each piece of text as it is written. */
export type OnText = (prompt: number, text: string) => void;

const mostPromptsAtOnce = 8;

export async function continuePrompts(
  subject: Subject,
  prompts: readonly string[],
  options: GenerationOptions,
  lab: EvaluationLab,
  onText: OnText = () => undefined,
): Promise<Continuation[]> {
  const tokenizer = tokenizerOf(subject);
  checkVocabulary(subject, tokenizer);
  const texts = prompts.map(
    (prompt, i) => new Text(prompt, tokenizer, options, i, (text) => onText(i, text)),
  );
  const steps = Math.ceil(prompts.length / mostPromptsAtOnce) * options.max_new_tokens;
  for (let first = 0; first < texts.length; first += mostPromptsAtOnce) {
    const some = texts.slice(first, first + mostPromptsAtOnce);
    const done = (first / mostPromptsAtOnce) * options.max_new_tokens;
    await writeTogether(subject, some, options, lab, (step) => lab.progress(done + step, steps, "tokens"));
  }
  return texts.map((text) => text.continuation);
}

async function writeTogether(
  subject: Subject,
  texts: readonly Text[],
  options: GenerationOptions,
  lab: EvaluationLab,
  progress: (step: number) => void,
): Promise<void> {
  const { context, vocabulary } = dimensionsOf(subject.shape);
  const longest = Math.max(...texts.map(({ ids }) => ids.length)) + options.max_new_tokens - 1;
  const time = Math.min(context, longest);
  const batch = texts.length;
  await using program = await ForwardProgram.open(
    lab.engine,
    subject,
    { batch, time, rows: batch },
    (logits) => logits,
  );
  for (let step = 0; step < options.max_new_tokens && texts.some(({ isOpen }) => isOpen); step++) {
    const tokens = new Int32Array(batch * time);
    const rows = new Int32Array(batch);
    texts.forEach(({ ids }, i) => {
      const last = ids.slice(-time);
      // What stands after the last token is padding, which no earlier token sees.
      tokens.set(last, i * time);
      rows[i] = i * time + last.length - 1;
    });
    const logits = await program.ask({ tokens, rows }, lab.signal);
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

/** One prompt and what has been written after it so far. */
class Text {
  readonly ids: number[];
  isOpen = true;
  /** The draws of a text depend on the seed and its place among the prompts, not on the other prompts. */
  readonly uniform: () => number;
  readonly #promptTokens: number;
  readonly #promptText: string;
  #written = "";
  #finish: Continuation["finish"] = "length";

  constructor(
    readonly prompt: string,
    private readonly tokenizer: Tokenizer,
    { add_special_tokens: framed, seed }: GenerationOptions,
    index: number,
    private readonly onText: (text: string) => void,
  ) {
    this.uniform = uniformStream(seed, index);
    const { before } = documentFrame(tokenizer);
    this.ids = [...(framed ? before : []), ...tokenizer.encode(prompt)];
    // A model needs a token to go on from: what ends a document also stands before the next one.
    if (this.ids.length === 0 && framed && tokenizer.endOfText !== undefined)
      this.ids.push(tokenizer.endOfText);
    if (this.ids.length === 0)
      throw new WorkbenchError(
        "invalid-input",
        `The prompt ${JSON.stringify(prompt)} has no token to go on from. Write at least one character.`,
      );
    this.#promptTokens = this.ids.length;
    this.#promptText = tokenizer.decode(this.ids);
  }

  add(id: number): void {
    if (id === this.tokenizer.endOfText) {
      this.#finish = "end_of_text";
      this.close();
      return;
    }
    this.ids.push(id);
    const text = this.#newText();
    // The bytes of a character may come in several tokens; until they are all there it decodes as U+FFFD.
    const whole = text.replace(/\uFFFD+$/, "");
    if (whole.length > this.#written.length && whole.startsWith(this.#written)) this.#emit(whole);
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#emit(this.#newText());
  }

  get continuation(): Continuation {
    return {
      prompt: this.prompt,
      text: this.#newText(),
      prompt_tokens: this.#promptTokens,
      ids: this.ids.slice(this.#promptTokens),
      finish: this.#finish,
    };
  }

  #emit(text: string): void {
    if (text.length > this.#written.length) this.onText(text.slice(this.#written.length));
    this.#written = text;
  }

  /** Decoded with the prompt, as a tokenizer may write the first word of a text without its space. */
  #newText(): string {
    return this.tokenizer.decode(this.ids).slice(this.#promptText.length);
  }
}

function uniformStream(seed: number, index: number): () => number {
  const generator = xoroshiro128plus(seed ^ Math.imul(index + 1, 0x9e3779b1));
  // The generator starts from a state with few bits set; a short run mixes it.
  for (let i = 0; i < 16; i++) generator.next();
  return () => uniformFloat64(generator);
}

function checkVocabulary({ shape }: Subject, tokenizer: Tokenizer): void {
  const { vocabulary } = dimensionsOf(shape);
  if (tokenizer.vocabSize <= vocabulary) return;
  throw new WorkbenchError(
    "invalid-input",
    `The tokenizer ${tokenizer.id} has ${tokenizer.vocabSize} tokens, the model only ${vocabulary}. Name the tokenizer that the model was trained with.`,
  );
}
