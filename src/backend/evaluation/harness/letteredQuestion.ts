/** Questions whose `choices` are texts with labels, such as letters. */
import type { TaskDocument } from "./document";
import type { Choices } from "./task";

export function readLetteredQuestion(document: TaskDocument, key: string): Pick<Choices, "choices" | "gold"> {
  const inner = document.inner("choices");
  const [choices, labels] = [inner.texts("text"), inner.texts("label")];
  if (labels.length !== choices.length)
    return document.refuse(`it has ${choices.length} choices, but ${labels.length} labels`);
  const gold = labels.indexOf(key);
  if (gold < 0)
    return document.refuse(
      `its answerKey ${JSON.stringify(key)} is not a label. Allowed: ${labels.join(", ")}`,
    );
  return { choices, gold };
}
