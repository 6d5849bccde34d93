import { defineTask } from "../harness/task";

export default defineTask({
  kind: "choices",
  title: "BoolQ",
  version: "2.0",
  splits: { training: "train", validation: "validation" },
  parts: [
    {
      name: "boolq",
      data: { folder: "boolq", hub: "aps/super_glue", config: "boolq", license: "CC BY-SA 3.0" },
    },
  ],
  normalized: false,
  read: (document) => ({
    context: `${document.text("passage")}\nQuestion: ${document.text("question")}?\nAnswer:`,
    choices: ["no", "yes"],
    gold: document.index("label", 2),
  }),
});
