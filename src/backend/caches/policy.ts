/**
 * Interface of a cache policy: which keys and values a decoder keeps when it may not keep all of them. Each policy is one
 * file. Tokens are kept or dropped for each layer, text and key-value head separately, at their original positions.
 */
import type { z } from "zod";
import type { Value } from "../graph/op";

/** Attention of some queries, as a policy observes it. */
export interface ObservedAttention {
  /** Scores before the softmax, [batch, heads, queries, keys]; a large negative number where a query may not attend. */
  readonly scores: Value;
  /** Their softmax. */
  readonly weights: Value;
  /** int32 [batch, 1, queries, 1]: how many tokens have been generated when a query reads the cache; 0 in the prompt. */
  readonly generated: Value;
  /** bool, broadcast to the shape of `scores`: whether the key is the query's own. */
  readonly own: Value;
  /** Standard Gumbel noise like `scores`, which depends on the seed of the text, the layer, the query and the key alone. */
  readonly noise: () => Value;
}

/** Tokens that are always kept, by their positions. */
export interface Protected {
  /** Number of tokens at the start of the text. */
  readonly sinks: number;
  /** Number of tokens at the end of the text. */
  readonly recent: number;
}

/** Key-value heads of each layer, in ascending order. */
export type HeadLists = readonly (readonly number[])[];

/** How much the query heads of each layer attend to earlier copies of a token, from 0 to 1: [layer][head]. */
export interface HeadScores {
  /** The share of attention to earlier copies of the query's own token. */
  readonly echo: readonly (readonly number[])[];
  /** The share of attention to the tokens that follow them. */
  readonly induction: readonly (readonly number[])[];
}

/** Heads that keep all tokens, whatever the budget of the others is. */
export interface RetrievalHeads<O> {
  /** The heads that the options name, if they do. */
  given(options: O): HeadLists | undefined;
  /** Number of different tokens in the text by which heads are scored. */
  countTokens(options: O): number;
  /** Chooses key-value heads by the scores of query heads. */
  choose(scores: HeadScores, kvHeads: number, options: O): HeadLists;
}

/** The scores of a prompt in one layer. */
export interface PromptScores {
  /** One score for each token, of all key-value heads, after `smooth`. */
  readonly heads: readonly Float32Array[];
  /** The seed of the text. */
  readonly seed: number;
}

export interface CachePolicy<O> {
  readonly title: string;
  readonly options: z.ZodType<O>;
  /** Options for contract tests. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  /** Whether the policy keeps every token, so that it has no budget. */
  readonly keepsAll?: boolean;
  /** Tokens to keep of a text that grows to `positions` tokens, for a policy without the option `budget`. */
  countTokens?(options: O, positions: number): number;
  /** Heads that keep all tokens. */
  readonly retrieval?: RetrievalHeads<O>;
  /** Whether the mean of the dropped tokens is kept in their place. */
  keepsMean?(options: O): boolean;
  /** Whether all generated tokens are kept, and only the prompt is shortened. */
  readonly keepsGenerated?: boolean;
  /** Tokens that are always kept. `budget` is the number of tokens to keep. Refuses a budget that is too small. */
  protect(options: O, budget: number): Protected;
  /**
   * How much each query adds to the score of each key, [batch, heads, queries, keys]; heads that share a key are added up.
   * Without it, only positions decide, and all tokens beyond `protect` are dropped.
   */
  weigh?(attention: ObservedAttention, options: O): Value;
  /** Number of queries at the end of a prompt that score its tokens; all when left out or undefined. */
  countQueries?(options: O, budget: number): number | undefined;
  /** The scores by which a prompt is shortened, from those of the queries; `from` and `to` limit the tokens to choose from. */
  smooth?(scores: Float32Array, range: Range, options: O): Float32Array;
  /** Chooses `count` tokens of a prompt within a range for each head, in any order; the highest scores when left out. */
  choose?(prompt: PromptScores, range: Range, count: number, options: O): readonly (readonly number[])[];
}

/** Positions from `from` to `to`, exclusive. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

// A catalog holds policies with any options; each parses its own before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyCachePolicy = CachePolicy<any>;

export function defineCachePolicy<O>(policy: CachePolicy<O>): CachePolicy<O> {
  return policy;
}
