import { readLetteredQuestion } from "../harness/letteredQuestion";
import { defineTask } from "../harness/task";

export default defineTask({
  kind: "choices",
  title: "ARC challenge",
  version: "1.0",
  splits: { training: "train", validation: "validation", test: "test" },
  parts: [
    {
      name: "arc_challenge",
      data: {
        folder: "arc_challenge",
        hub: "allenai/ai2_arc",
        config: "ARC-Challenge",
        license: "CC BY-SA 4.0",
      },
    },
  ],
  normalized: true,
  read: (document) => ({
    context: `Question: ${document.text("question")}\nAnswer:`,
    ...readLetteredQuestion(document, document.text("answerKey")),
  }),
});
