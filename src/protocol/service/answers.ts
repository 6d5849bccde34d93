/** Models that answer prompts, each in a process of its own, and how likely they find each other's answers. */
import type { Empty } from "../connection";
import type { Subject } from "./models";

/** A model whose weights are loaded. */
export interface LoadedModel {
  readonly family: string;
  /** Stored scalars; tied tensors count once. */
  readonly parameters: number;
  readonly device: string;
  /** Most tokens that it reads at once. */
  readonly context: number;
  /** Equal values mean that equal ids are equal tokens. */
  readonly vocabulary: string;
  /** Whether its tokenizer has a chat template. */
  readonly hasChat: boolean;
  /** What was assumed or ignored, one line each. */
  readonly notices: readonly string[];
}

export interface ServedModel extends LoadedModel {
  readonly title: string;
}

export interface ChatTurn {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** A text to continue, or a conversation to answer, which the chat template of the model formats. */
export type AnswerPrompt = { readonly text: string } | { readonly messages: readonly ChatTurn[] };

export interface AnswerSettings {
  readonly maxNewTokens: number;
  /** 0 takes the most likely token. */
  readonly temperature: number;
  /** Sample from this many most likely tokens; 0 for all. */
  readonly topK: number;
  readonly topP: number;
  readonly seed: number;
}

export interface AnswerQuestion {
  readonly prompt: AnswerPrompt;
  readonly settings: AnswerSettings;
}

export interface FinishedAnswer {
  readonly finish: "length" | "end_of_text" | "stop" | "exit" | "stopped";
  /** Generated tokens, without the one that ends the text. */
  readonly tokens: number;
  readonly promptTokens: number;
  /** From the start to the first token; null if there is none. */
  readonly promptSeconds: number | null;
  /** From the first token to the last; null with fewer than two tokens. */
  readonly seconds: number | null;
}

/** What an answer has gained. */
export interface AnswerGrowth {
  /** The tokens before the answer, at its start only. */
  readonly context?: readonly number[];
  readonly ids: readonly number[];
  /** Whole characters; they may belong to earlier tokens. */
  readonly text: string;
}

/** Tokens that a model has generated, with all that it had read before them. */
export interface TokensToScore {
  readonly context: readonly number[];
  readonly ids: readonly number[];
}

export interface ScoredTokens {
  /**
   * Natural logarithm of the probability of each token after all tokens before it, by the softmax over the whole vocabulary
   * at temperature 1. Null for a token that has more tokens before it than the model reads at once.
   */
  readonly logProbabilities: readonly (number | null)[];
  /** The text that each token adds. A character of several tokens belongs to the last of them. */
  readonly pieces: readonly string[];
}

export interface AnswerRequests {
  /**
   * Loads a model in a process of its own, reports it as `modelServed`, and is answered when the process has ended. Cancel the
   * request to end it. `server` is a new name for the process. Requires trust.
   */
  "models.serve": {
    params: { readonly server: string; readonly subject: Subject; readonly device?: string };
    result: Empty;
  };
  /** `answer` is a new number for it; its text arrives as `answerGrew`. */
  "models.answer": {
    params: AnswerQuestion & { readonly server: string; readonly answer: number };
    result: FinishedAnswer;
  };
  /** Stops the answer that is being generated; its request is then answered with what there is. */
  "models.stopAnswer": { params: { readonly server: string }; result: Empty };
  "models.score": { params: TokensToScore & { readonly server: string }; result: ScoredTokens };
}

export interface AnswerEvents {
  modelServed: { readonly server: string; readonly model: ServedModel };
  answerGrew: AnswerGrowth & { readonly server: string; readonly answer: number };
}

/** What the service asks of the process of a model: `lathe serve`. */
export interface ModelProcessRequests {
  load: { params: Empty; result: LoadedModel };
  answer: { params: AnswerQuestion & { readonly answer: number }; result: FinishedAnswer };
  stopAnswer: { params: Empty; result: Empty };
  score: { params: TokensToScore; result: ScoredTokens };
}

export interface ModelProcessEvents {
  grew: AnswerGrowth & { readonly answer: number };
}
