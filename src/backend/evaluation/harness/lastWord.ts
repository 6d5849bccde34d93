/** LAMBADA: the last word of a passage, after the last space. */
import type { TaskDocument } from "./document";
import type { Cloze } from "./task";

export function readLastWord(document: TaskDocument): Cloze {
  const words = document.text("text").split(" ");
  return { context: words.slice(0, -1).join(" "), continuation: ` ${words.at(-1)!}` };
}
