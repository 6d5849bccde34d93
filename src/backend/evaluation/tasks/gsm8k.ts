import { strip } from "../harness/pythonText";
import { defineTask } from "../harness/task";

const invalid = "[invalid]";

export default defineTask({
  kind: "generation",
  title: "GSM8K",
  version: "3.0",
  splits: { training: "train", test: "test", fewshot: "train" },
  fewshot: 5,
  parts: [{ name: "gsm8k", data: { folder: "gsm8k", hub: "openai/gsm8k", config: "main", license: "MIT" } }],
  until: ["Question:", "</s>", "<|im_end|>"],
  filters: [
    {
      name: "strict",
      extract: (text) => strip(/#### (-?[0-9.,]+)/.exec(text)?.[1] ?? invalid),
    },
    {
      name: "flexible",
      extract: (text) => strip(text.match(/-?[$0-9.,]{2,}|-?[0-9]+/g)?.at(-1) ?? invalid),
    },
  ],
  normalize: (text) =>
    text
      .replaceAll(",", "")
      .replaceAll("$", "")
      .replace(/[^]*#### /, "")
      .replace(/\.(?=\n?$)/g, "")
      .toLowerCase(),
  read: (document) => ({
    context: `Question: ${document.text("question")}\nAnswer:`,
    answer: document.text("answer"),
  }),
});
