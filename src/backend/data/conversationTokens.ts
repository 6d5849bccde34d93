/** A conversation as tokens, of which those of the assistant's answers count. */
import { WorkbenchError } from "../../protocol/errors";
import type { Conversation } from "./conversations";
import { getChat, type RenderedConversation, writeConversation } from "./tokenizers/answers";
import type { EncodedText } from "./tokenizers/core";
import type { Tokenizer } from "./tokenizers/tokenizer";

/** Throws with file and row where the template refuses the conversation. */
export function writeRow(
  tokenizer: Tokenizer,
  { messages, answersOnly, where }: Conversation,
): RenderedConversation {
  const chat = getChat(tokenizer);
  try {
    return writeConversation(chat, messages, answersOnly);
  } catch (thrown) {
    if (!(thrown instanceof WorkbenchError)) throw thrown;
    throw new WorkbenchError(
      thrown.code,
      `The conversation of ${where} cannot be written for ${tokenizer.id}. ${thrown.message}`,
      {},
      { cause: thrown },
    );
  }
}

/** Consecutive tokens that count alike, and the text from the first of them to the first after them. */
export interface TokenRun {
  readonly ids: Int32Array;
  readonly text: string;
  readonly counts: boolean;
}

/** A token counts if it overlaps an answer, as in transformers' `return_assistant_tokens_mask`. */
export function splitTokenRuns(
  { text, answers }: RenderedConversation,
  { ids, starts, ends }: EncodedText,
  answersOnly: boolean,
): TokenRun[] {
  const counted = new Uint8Array(ids.length).fill(answersOnly ? 0 : 1);
  let next = 0;
  for (let i = 0; i < ids.length && next < answers.length; i++) {
    while (next < answers.length && starts[i]! >= answers[next]![1]) next++;
    if (next < answers.length && ends[i]! > answers[next]![0]) counted[i] = 1;
  }
  const runs: TokenRun[] = [];
  let [from, at] = [0, 0];
  for (let i = 1; i <= ids.length; i++) {
    if (i < ids.length && counted[i] === counted[from]) continue;
    const end = i === ids.length ? text.length : Math.max(at, starts[i]!);
    runs.push({ ids: ids.subarray(from, i), text: text.slice(at, end), counts: counted[from] === 1 });
    [from, at] = [i, end];
  }
  return runs;
}
