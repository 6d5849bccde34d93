/** Shortens prompts before the model reads them, by the policy of its inference. */
import { WorkbenchError } from "../../protocol/errors";
import type { Tokenizer } from "../data/tokenizers/tokenizer";
import type { Tensors } from "../engine/engine";
import { requireNextToken } from "../models/classifier";
import { toInferenceTensors } from "../models/inference";
import { disposeAll } from "../training/evaluateLoss";
import { uploadAll } from "../training/feeds";
import { framePrompt, type Prompt, type TextOptions } from "./generatedText";
import type { EvaluationLab, Subject } from "./metric";
import type { ChosenPromptPolicy, PromptReader } from "./prompts/promptPolicy";
import { shortenPrompt } from "./prompts/shorten";

/** Shortens the prompts, if the inference names a policy for it. */
export async function shortenPrompts(
  subject: Subject & { readonly tokenizer: Tokenizer },
  prompts: readonly Prompt[],
  { add_special_tokens }: Pick<TextOptions, "add_special_tokens">,
  lab: EvaluationLab,
): Promise<readonly Prompt[]> {
  const chosen = subject.inference?.prompt;
  if (chosen === undefined) return prompts;
  const { shape, tensors, tokenizer } = await openReader(chosen, subject, lab);
  let uploaded: Tensors | undefined;
  const weights = () => (uploaded ??= uploadAll(lab.engine, toInferenceTensors(shape, tensors)));
  const reader = { shape, tensors, tokenizer, target: subject.tokenizer, weights };
  const shortened: Prompt[] = [];
  try {
    for (const [i, prompt] of prompts.entries()) {
      refuseConversation(prompt);
      const framed = await framePrompt(prompt, subject.tokenizer, { add_special_tokens });
      const text = await shortenPrompt(framed.text, chosen, reader, lab, i, framed.questionLength);
      const [before, after] = await subject.tokenizer.encodeAll([framed.text, text]);
      const special = framed.ids.slice(0, framed.ids.length - before!.length);
      const ids = [...special, ...after!];
      if (ids.length === 0) throw nothingLeft(chosen.name, i);
      shortened.push(text === framed.text ? framed : { ...framed, text, ids });
      lab.progress(i + 1, prompts.length, "prompts shortened");
    }
  } finally {
    disposeAll(uploaded ?? {});
  }
  return shortened;
}

const nothingLeft = (name: string, index: number): WorkbenchError =>
  new WorkbenchError(
    "invalid-input",
    `inference.prompt.${name} left nothing of prompt ${index + 1}, so there is no token to continue from. Raise its budget, or name another model in inference.prompt.${name}.model.`,
  );

/** The model that scores words for a prompt policy, or writes the shorter text. */
async function openReader(
  { name, options: { model } }: ChosenPromptPolicy,
  subject: PromptReader,
  lab: EvaluationLab,
): Promise<PromptReader> {
  if (model === undefined) return subject;
  const { shape, tensors, tokenizer } = await lab.openModel!(model);
  requireNextToken(shape, `inference.prompt.${name} cannot use it`);
  return { shape, tensors, tokenizer: tokenizer ?? subject.tokenizer };
}

/** Prompt policies have no rule for what may be left out of a conversation. */
export function refuseConversation(prompt: Prompt): void {
  if (!Array.isArray(prompt)) return;
  throw new WorkbenchError(
    "unsupported",
    "inference.prompt shortens texts, not conversations. Write the prompt as a text, or leave inference.prompt out.",
  );
}
