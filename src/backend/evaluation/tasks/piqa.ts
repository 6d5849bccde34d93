import { defineTask } from "../harness/task";

export default defineTask({
  kind: "choices",
  title: "PIQA",
  version: "1.0",
  splits: { training: "train", validation: "validation" },
  parts: [{ name: "piqa", data: { folder: "piqa", hub: "baber/piqa", license: "AFL 3.0" } }],
  normalized: true,
  read: (document) => ({
    context: `Question: ${document.text("goal")}\nAnswer:`,
    choices: [document.text("sol1"), document.text("sol2")],
    gold: document.index("label", 2),
  }),
});
