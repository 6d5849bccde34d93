/** Shortens prompts by the policy of an evaluate cell. */
import type { ChosenPromptPolicy, PromptLab, PromptReader, WordPolicy, WritingPolicy } from "./promptPolicy";

/** Words with the space before them, which join to the text. */
export function splitWords(text: string): string[] {
  return text.match(/\s*\S+(?:\s+$)?/g) ?? [];
}

/** Number of characters from the end of the last but one line on: the question that the rest is for; 0 for one line. */
function countQuestion(prompt: string): number {
  const lineEnd = prompt.trimEnd().lastIndexOf("\n");
  return lineEnd < 0 ? 0 : prompt.length - lineEnd;
}

/**
 * The prompt with as many words as the budget allows, in their order, or with another text of at most as many tokens. The last
 * `kept` characters, by default the last of several lines, stay as they are: they are the question that the rest is for. With
 * a budget of 1 nothing changes.
 */
export async function shortenPrompt(
  prompt: string,
  { policy, options }: ChosenPromptPolicy,
  reader: PromptReader,
  lab: PromptLab,
  index: number,
  kept = countQuestion(prompt),
): Promise<string> {
  const text = prompt.slice(0, prompt.length - kept);
  const shorter =
    "score" in policy
      ? await keepWords(policy, text, options, reader, lab, index)
      : await writeText(policy, text, options, reader, lab);
  return shorter + prompt.slice(text.length);
}

type Options = ChosenPromptPolicy["options"];

async function keepWords(
  policy: WordPolicy<unknown>,
  text: string,
  options: Options,
  reader: PromptReader,
  lab: PromptLab,
  index: number,
): Promise<string> {
  const words = splitWords(text);
  const count = Math.max(1, Math.round(options.budget * words.length));
  if (count >= words.length) return text;
  const scores = await policy.score(words, options, reader, lab, index);
  const kept = new Set(
    words
      .map((_, i) => i)
      .sort((a, b) => scores[b]! - scores[a]! || a - b)
      .slice(0, count),
  );
  const left = words.filter((_, i) => kept.has(i)).join("");
  // The space before the first word is that of the text's start.
  return /^\s/.test(text) ? left : left.trimStart();
}

async function writeText(
  policy: WritingPolicy<unknown>,
  text: string,
  options: Options,
  reader: PromptReader,
  lab: PromptLab,
): Promise<string> {
  const { length } = await (reader.target ?? reader.tokenizer).encode(text);
  const tokens = Math.max(1, Math.round(options.budget * length));
  return tokens >= length ? text : policy.write(text, tokens, options, reader, lab);
}
