/** Answers that a model generates to prompts, always its most likely tokens, as lm-evaluation-harness generates them. */
import { WorkbenchError } from "../../../protocol/errors";
import { continuePrompts, greedyOptions } from "../generation";
import type { EvaluationLab, Subject } from "../metric";
import { getTokenizer } from "../metric";
import { HarnessEncoder } from "./harnessEncoder";
import type { TaskOf, TaskPart } from "./task";

/** Most tokens of an answer, where a task does not set it. */
const maxNewTokens = 256;

export async function answerQuestions(
  { until }: TaskOf<"generation">,
  part: TaskPart,
  prompts: readonly string[],
  subject: Subject,
  { maxLength, addBos }: { readonly maxLength: number; readonly addBos: boolean | undefined },
  lab: EvaluationLab,
): Promise<string[]> {
  const room = maxLength - maxNewTokens;
  if (room <= 0)
    throw new WorkbenchError(
      "unsupported",
      `${part.name} generates ${maxNewTokens} tokens after a question, but the model reads ${maxLength} at once. Use a model with a context of more than ${maxNewTokens} tokens.`,
    );
  const tokenizer = getTokenizer(subject);
  const ids = await new HarnessEncoder(tokenizer, addBos).encodeAll(prompts);
  const answers = await continuePrompts(
    subject,
    // A prompt that is too long loses its first tokens.
    prompts.map((text, i) => ({ text, ids: ids[i]!.slice(-room) })),
    {
      ...greedyOptions,
      max_new_tokens: maxNewTokens,
      stop: until,
      add_special_tokens: false,
    },
    { ...lab, progress: (done, total) => lab.progress(done, total, `${part.name}: tokens`) },
  );
  return answers.map(({ text }) => text);
}
