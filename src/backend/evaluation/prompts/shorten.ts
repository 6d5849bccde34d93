/** Leaves words out of prompts, by the policy of an evaluate cell. */
import type { ChosenPromptPolicy, PromptLab, PromptReader } from "./promptPolicy";

/** Words with the space before them, which join to the text. */
export function splitWords(text: string): string[] {
  return text.match(/\s*\S+(?:\s+$)?/g) ?? [];
}

/**
 * The prompt with as many words as the budget allows, in their order. The last of several lines is kept as it is: it is the
 * question that the rest is for. With a budget of 1 nothing changes.
 */
export async function shortenPrompt(
  prompt: string,
  { policy, options }: ChosenPromptPolicy,
  reader: PromptReader,
  lab: PromptLab,
  index: number,
): Promise<string> {
  const lineEnd = prompt.trimEnd().lastIndexOf("\n");
  const [text, question] = lineEnd < 0 ? [prompt, ""] : [prompt.slice(0, lineEnd), prompt.slice(lineEnd)];
  const words = splitWords(text);
  const count = Math.max(1, Math.round(options.budget * words.length));
  if (count >= words.length) return prompt;
  const scores = await policy.score(words, options, reader, lab, index);
  const kept = new Set(
    words
      .map((_, i) => i)
      .sort((a, b) => scores[b]! - scores[a]! || a - b)
      .slice(0, count),
  );
  const left = words.filter((_, i) => kept.has(i)).join("");
  // The space before the first word is that of the text's start.
  return (/^\s/.test(text) ? left : left.trimStart()) + question;
}
