/** A prompt with the answer that is preferred and the one that is not. */
import type { ConversationMessage } from "./conversations";

export type Messages = readonly ConversationMessage[];

export interface PreferenceTexts<T> {
  readonly prompt: T;
  /** The answers, without the prompt. */
  readonly chosen: T;
  readonly rejected: T;
}

export interface PreferencePair {
  readonly pair: PreferenceTexts<string> | PreferenceTexts<Messages>;
  /** File and row, for messages. */
  readonly where: string;
}
