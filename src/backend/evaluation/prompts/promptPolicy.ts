/** Interface of a prompt policy: what a model reads of a text when it may not read all of it. Each is one file. */
import type { z } from "zod";
import type { HostTensors } from "../../checkpoints/safetensors";
import type { Tokenizer } from "../../data/tokenizers/tokenizer";
import type { Engine, Tensors } from "../../engine/engine";
import type { ModelShape } from "../../models/model";

/** The model that scores a text, or writes a shorter one. */
export interface PromptReader {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  readonly tokenizer: Tokenizer;
  /** The tokenizer of the model that reads the shorter text, if it is another one. */
  readonly target?: Tokenizer;
  /** The weights on the device, if several texts share them; they are uploaded by the first that needs them. */
  readonly weights?: (() => Tensors) | undefined;
}

/** What a policy may use besides the model. */
export interface PromptLab {
  readonly engine: Engine;
  readonly signal: AbortSignal;
  readonly seed: number;
}

/** A policy with its options, and its name. */
export interface ChosenPromptPolicy {
  readonly name: string;
  readonly policy: AnyPromptPolicy;
  readonly options: { readonly budget: number; readonly model?: string | undefined };
}

interface PromptPolicyParts<O> {
  readonly title: string;
  readonly options: z.ZodType<O>;
  /** Options for contract tests. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
}

/** A policy that leaves words out. */
export interface WordPolicy<O> extends PromptPolicyParts<O> {
  /**
   * The importance of each word; those with the lowest are left out. Words include the space before them, so that they join
   * to the text. `index` numbers the prompts.
   */
  score(
    words: readonly string[],
    options: O,
    reader: PromptReader,
    lab: PromptLab,
    index: number,
  ): Promise<ArrayLike<number>>;
}

/** A policy that writes another text. */
export interface WritingPolicy<O> extends PromptPolicyParts<O> {
  /** A text of at most `tokens` tokens of the model that reads it. */
  write(text: string, tokens: number, options: O, reader: PromptReader, lab: PromptLab): Promise<string>;
}

export type PromptPolicy<O> = WordPolicy<O> | WritingPolicy<O>;

// A catalog holds policies with any options; each parses its own before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyPromptPolicy = PromptPolicy<any>;

export function definePromptPolicy<O>(policy: PromptPolicy<O>): PromptPolicy<O> {
  return policy;
}
