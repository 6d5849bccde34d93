/** Prompts of LongBench: a template with the row's texts, cut in the middle if it is too long. */
import { WorkbenchError } from "../../../protocol/errors";
import { getDocumentFrame, type Tokenizer } from "../../data/tokenizers/tokenizer";
import type { FramedPrompt } from "../generatedText";
import type { LongBenchDocument } from "./documents";

export const contextPlace = "{context}";

export interface LongBenchPrompt extends FramedPrompt {
  readonly isCut: boolean;
}

/**
 * The prompt has at most `most` tokens. Of a longer one, the first half and the last half of so many tokens are left; fewer if
 * the text that they make has more tokens, because their border falls into a word. What follows the context in the template is
 * the question, which prompt policies keep.
 */
export async function createPrompt(
  template: string,
  { input, context }: Pick<LongBenchDocument, "input" | "context">,
  tokenizer: Tokenizer,
  most: number,
): Promise<LongBenchPrompt> {
  const fill = (part: string) =>
    part.replace(/\{(context|input)\}/g, (_, name) => (name === "input" ? input : context));
  const end = template.indexOf(contextPlace) + contextPlace.length;
  const question = fill(template.slice(end));
  const text = fill(template.slice(0, end)) + question;
  const { before } = getDocumentFrame(tokenizer);
  const encode = async (part: string) => [...before, ...(await tokenizer.encode(part))];
  const ids = await encode(text);
  if (ids.length <= most) return { text, ids, questionLength: question.length, isCut: false };
  for (let half = Math.floor(most / 2); half > 0; half--) {
    const left = tokenizer.decode(ids.slice(0, half)) + tokenizer.decode(ids.slice(-half));
    const leftIds = await encode(left);
    if (leftIds.length > 0 && leftIds.length <= most)
      return {
        text: left,
        ids: leftIds,
        questionLength: Math.min(question.length, left.length),
        isCut: true,
      };
  }
  throw new WorkbenchError(
    "invalid-input",
    `A prompt of ${ids.length} tokens cannot be cut to ${most}. Raise longbench.max_length.`,
  );
}
