/** One prompt and what a model has written after it so far: where it ends, and which of it can be shown already. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { WorkbenchError } from "../../protocol/errors";
import { chatOf } from "../data/tokenizers/answers";
import type { ChatMessage } from "../data/tokenizers/chatTemplate";
import { documentFrame, type Tokenizer } from "../data/tokenizers/tokenizer";
import type { GrowingText } from "./nextToken";

/** A text to write on from, or a conversation to answer. */
export type Prompt = string | readonly ChatMessage[];

export interface WritingOptions {
  /** Put the token that opens a document before each prompt, where the tokenizer has one. */
  readonly add_special_tokens: boolean;
  /** Texts that end the writing and are not part of it. */
  readonly stop: readonly string[];
  readonly seed: number;
}

export interface Continuation {
  /** The prompt as text; of a conversation as the chat template writes it. */
  readonly prompt: string;
  readonly messages?: readonly ChatMessage[];
  /** What was written after the prompt. */
  readonly text: string;
  readonly prompt_tokens: number;
  /** Ids of what was written; a token that ended it is not among them, those of a stop text are. */
  readonly ids: readonly number[];
  readonly finish: "length" | "end_of_text" | "stop";
}

/** Ids that end a text, and what it is then said to have ended with. */
export type Ends = ReadonlyMap<number, Continuation["finish"]>;

/** Hears of texts while they are written, by the place of their prompt. */
export interface WritingListener {
  /** Each piece as it comes: whole characters, and nothing that a stop text may still take back. */
  onText?(prompt: number, piece: string): void;
  onEnd?(prompt: number, continuation: Continuation): void;
  /** Once for each batch of prompts, at its end. */
  onTimed?(speed: WritingTimes): void;
}

/** Reading the prompts, up to the first new token of each, and writing on. */
export interface WritingTimes {
  readonly prompt_tokens: number;
  readonly prompt_seconds: number;
  /** Tokens after the first of each prompt. */
  readonly new_tokens: number;
  readonly new_seconds: number;
}

/** A prompt as the model reads it. */
export interface FramedPrompt {
  readonly text: string;
  /** Of a conversation. */
  readonly messages?: readonly ChatMessage[];
  readonly ids: readonly number[];
}

export async function framePrompt(
  prompt: Prompt,
  tokenizer: Tokenizer,
  options: Pick<WritingOptions, "add_special_tokens">,
): Promise<FramedPrompt> {
  // A chat template writes the opening token itself.
  const isFramed = options.add_special_tokens && typeof prompt === "string";
  const text = typeof prompt === "string" ? prompt : chatOf(tokenizer).apply(prompt);
  const { before } = documentFrame(tokenizer);
  const ids = [...(isFramed ? before : []), ...(await tokenizer.encode(text))];
  // A model needs a token to continue from: what ends a document is also before the next one.
  if (ids.length === 0 && isFramed && tokenizer.endOfText !== undefined) ids.push(tokenizer.endOfText);
  if (ids.length === 0)
    throw new WorkbenchError(
      "invalid-input",
      `The prompt ${JSON.stringify(text)} has no token to continue from. Write at least one character.`,
    );
  return { text, ids, ...(typeof prompt === "string" ? {} : { messages: prompt }) };
}

export class WrittenText implements GrowingText {
  readonly ids: number[];
  isOpen = true;
  /** The draws of a text depend on the seed and its place among the prompts, not on the other prompts. */
  readonly uniform: () => number;
  readonly #promptTokens: number;
  readonly #promptText: string;
  #shown = "";
  /** What was written, once a stop text was found in it. */
  #cut: string | undefined;
  #finish: Continuation["finish"] = "length";

  constructor(
    private readonly prompt: FramedPrompt,
    private readonly tokenizer: Tokenizer,
    private readonly options: WritingOptions,
    private readonly ends: Ends,
    /** Its place among the prompts. */
    private readonly index: number,
    private readonly listener: WritingListener,
  ) {
    this.uniform = uniformStream(options.seed, index);
    this.ids = [...prompt.ids];
    this.#promptTokens = this.ids.length;
    this.#promptText = tokenizer.decode(this.ids);
  }

  add(id: number): void {
    const end = this.ends.get(id);
    if (end !== undefined) {
      this.#end(end);
      return;
    }
    this.ids.push(id);
    const text = this.#written();
    const at = firstOf(this.options.stop, text);
    if (at !== undefined) {
      this.#cut = text.slice(0, at);
      this.#end("stop");
      return;
    }
    // The bytes of a character may come in several tokens; until they are all there it decodes as U+FFFD.
    const whole = text.replace(/\uFFFD+$/, "");
    this.#show(whole.slice(0, whole.length - pending(this.options.stop, whole)));
  }

  /** Shows what was held back. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#show(this.#written());
    this.listener.onEnd?.(this.index, this.continuation);
  }

  get continuation(): Continuation {
    return {
      prompt: this.prompt.text,
      ...(this.prompt.messages === undefined ? {} : { messages: this.prompt.messages }),
      text: this.#written(),
      prompt_tokens: this.#promptTokens,
      ids: this.ids.slice(this.#promptTokens),
      finish: this.#finish,
    };
  }

  #end(finish: Continuation["finish"]): void {
    this.#finish = finish;
    this.close();
  }

  #show(text: string): void {
    if (text.length <= this.#shown.length || !text.startsWith(this.#shown)) return;
    this.listener.onText?.(this.index, text.slice(this.#shown.length));
    this.#shown = text;
  }

  /** Decoded with the prompt, as a tokenizer may write the first word of a text without its space. */
  #written(): string {
    return this.#cut ?? this.tokenizer.decode(this.ids).slice(this.#promptText.length);
  }
}

/** Where the earliest of some texts begins. */
function firstOf(stops: readonly string[], text: string): number | undefined {
  const found = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return found.length === 0 ? undefined : Math.min(...found);
}

/** How many letters at the end of a text may be the beginning of one of some others. */
function pending(stops: readonly string[], text: string): number {
  const lengths = stops.map((stop) => {
    let length = Math.min(stop.length - 1, text.length);
    while (length > 0 && !text.endsWith(stop.slice(0, length))) length--;
    return length;
  });
  return Math.max(0, ...lengths);
}

function uniformStream(seed: number, index: number): () => number {
  const generator = xoroshiro128plus(seed ^ Math.imul(index + 1, 0x9e3779b1));
  // The generator starts from a state with few bits set; a short run mixes it.
  for (let i = 0; i < 16; i++) generator.next();
  return () => uniformFloat64(generator);
}
