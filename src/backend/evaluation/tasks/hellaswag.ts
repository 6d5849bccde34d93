import { capitalize, strip } from "../harness/pythonText";
import { defineTask } from "../harness/task";

export default defineTask({
  kind: "choices",
  title: "HellaSwag",
  version: "1.0",
  splits: { training: "train", validation: "validation" },
  parts: [{ name: "hellaswag", data: { folder: "hellaswag", hub: "Rowan/hellaswag", license: "MIT" } }],
  normalized: true,
  read(document) {
    const choices = document.texts("endings").map(clean);
    const context = `${document.text("ctx_a")} ${capitalize(document.text("ctx_b"))}`;
    return {
      context: clean(`${document.text("activity_label")}: ${context}`),
      choices,
      gold: document.index("label", choices.length),
    };
  },
});

/** Removes the marks in brackets that the texts from WikiHow have. */
function clean(text: string): string {
  return strip(text)
    .replaceAll(" [title]", ". ")
    .replace(/\[[^\n]*?\]/g, "")
    .replaceAll("  ", " ");
}
