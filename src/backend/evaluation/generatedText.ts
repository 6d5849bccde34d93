/** One prompt and its generated text so far: where the text ends, and which part of it can be shown. */
import type { ExitUse } from "./exitUse";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { WorkbenchError } from "../../protocol/errors";
import { getChat } from "../data/tokenizers/answers";
import type { ChatMessage } from "../data/tokenizers/chatTemplate";
import { getDocumentFrame, type Tokenizer } from "../data/tokenizers/tokenizer";
import type { GrowingText } from "./nextToken";

/** A text to continue, a conversation to answer, or a text with its tokens. */
export type Prompt = string | readonly ChatMessage[] | FramedPrompt;

export interface TextOptions {
  /** Prepend the tokenizer's start-of-document token, if it has one, to each prompt. */
  readonly add_special_tokens: boolean;
  /** Texts that stop generation; the output does not include them. */
  readonly stop: readonly string[];
  readonly seed: number;
}

export interface Continuation {
  /** The prompt as text; for a conversation, formatted with the chat template. */
  readonly prompt: string;
  readonly messages?: readonly ChatMessage[];
  /** The generated text. */
  readonly text: string;
  readonly prompt_tokens: number;
  /** Generated ids, without an end-of-text token but with the tokens of a stop text. */
  readonly ids: readonly number[];
  /** `exit`: the classifier of an exit ended it (`inference.exits.stop`). */
  readonly finish: "length" | "end_of_text" | "stop" | "exit";
}

/** Ids that end a text, with the finish reason to report. */
export type Ends = ReadonlyMap<number, Continuation["finish"]>;

/** Receives texts while they are generated, by the index of their prompt. */
export interface GenerationListener {
  /** Receives each token of a continuation before the text that it completes. */
  onToken?(prompt: number, id: number): void;
  /** Receives each piece: whole characters that cannot be part of a stop text. */
  onText?(prompt: number, piece: string): void;
  onEnd?(prompt: number, continuation: Continuation): void;
  /** Called once at the end of each batch of prompts. */
  onTimed?(speed: GenerationTimes): void;
}

/** Times of reading the prompts, up to the first new token of each, and of generating the rest. */
export interface GenerationTimes {
  readonly prompt_tokens: number;
  readonly prompt_seconds: number;
  /** Number of generated tokens, without the first of each prompt. */
  readonly new_tokens: number;
  readonly new_seconds: number;
  /** How the exits were used, with `inference.exits`. */
  readonly exits?: ExitUse;
}

/** A prompt as the model reads it. */
export interface FramedPrompt {
  readonly text: string;
  /** The messages, if the prompt is a conversation. */
  readonly messages?: readonly ChatMessage[];
  readonly ids: readonly number[];
  /** Number of tokens at the end that are read one by one, after a cache policy has shortened the others. */
  readonly oneByOne?: number;
  /** Number of characters at the end that no prompt policy changes; the last of several lines if left out. */
  readonly questionLength?: number;
}

function isFramedPrompt(prompt: Prompt): prompt is FramedPrompt {
  return typeof prompt !== "string" && !Array.isArray(prompt);
}

export async function framePrompt(
  prompt: Prompt,
  tokenizer: Tokenizer,
  options: Pick<TextOptions, "add_special_tokens">,
): Promise<FramedPrompt> {
  if (isFramedPrompt(prompt)) return prompt;
  // A chat template includes the start-of-document token.
  const hasFrame = options.add_special_tokens && typeof prompt === "string";
  const text = typeof prompt === "string" ? prompt : getChat(tokenizer).apply(prompt);
  const { before } = getDocumentFrame(tokenizer);
  const ids = [...(hasFrame ? before : []), ...(await tokenizer.encode(text))];
  // A model needs a token to continue from; the end-of-document token also precedes the next document.
  if (ids.length === 0 && hasFrame && tokenizer.endOfText !== undefined) ids.push(tokenizer.endOfText);
  if (ids.length === 0)
    throw new WorkbenchError(
      "invalid-input",
      `The prompt ${JSON.stringify(text)} has no token to continue from. Write at least one character.`,
    );
  return { text, ids, ...(typeof prompt === "string" ? {} : { messages: prompt }) };
}

export class GeneratedText implements GrowingText {
  readonly ids: number[];
  isOpen = true;
  /** The draws of a text depend on the seed and its index among the prompts, not on the other prompts. */
  readonly uniform: () => number;
  /** Number of tokens at the end of the prompt that are read one by one. */
  readonly oneByOne: number;
  /** For everything else that is drawn for this text. */
  readonly seed: number;
  readonly #promptTokens: number;
  readonly #promptText: string;
  #shown = "";
  /** The text before the stop text, once one was found. */
  #cut: string | undefined;
  #finish: Continuation["finish"] = "length";

  constructor(
    private readonly prompt: FramedPrompt,
    private readonly tokenizer: Tokenizer,
    private readonly options: TextOptions,
    private readonly ends: Ends,
    /** Index among the prompts. */
    private readonly index: number,
    private readonly listener: GenerationListener,
  ) {
    this.uniform = createUniformStream(options.seed, index);
    this.seed = mixSeed(options.seed, index);
    this.ids = [...prompt.ids];
    this.oneByOne = prompt.oneByOne ?? 0;
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
    this.listener.onToken?.(this.index, id);
    const text = this.#written();
    const at = findFirst(this.options.stop, text);
    if (at !== undefined) {
      this.#cut = text.slice(0, at);
      this.#end("stop");
      return;
    }
    // The bytes of a character may span several tokens; an incomplete character decodes to U+FFFD.
    const whole = text.replace(/\uFFFD+$/, "");
    this.#show(whole.slice(0, whole.length - countPending(this.options.stop, whole)));
  }

  /** Ends the text because no layer of the model knows its next token. */
  endAtExit(): void {
    this.#end("exit");
  }

  /** Shows the text that was withheld. */
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

  /** Decoded with the prompt, because a tokenizer may decode the first word of a text without its space. */
  #written(): string {
    return this.#cut ?? this.tokenizer.decode(this.ids).slice(this.#promptText.length);
  }
}

/** Position of the first occurrence of any of the texts. */
function findFirst(stops: readonly string[], text: string): number | undefined {
  const positions = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return positions.length === 0 ? undefined : Math.min(...positions);
}

/** Number of characters at the end of a text that may be the start of a stop text. */
function countPending(stops: readonly string[], text: string): number {
  const lengths = stops.map((stop) => {
    let length = Math.min(stop.length - 1, text.length);
    while (length > 0 && !text.endsWith(stop.slice(0, length))) length--;
    return length;
  });
  return Math.max(0, ...lengths);
}

/** An int32 for the text at this index. */
export function mixSeed(seed: number, index: number): number {
  return seed ^ Math.imul(index + 1, 0x9e3779b1);
}

function createUniformStream(seed: number, index: number): () => number {
  const generator = xoroshiro128plus(mixSeed(seed, index));
  // The initial state of the generator has few bits set; discarding some draws mixes it.
  for (let i = 0; i < 16; i++) generator.next();
  return () => uniformFloat64(generator);
}
