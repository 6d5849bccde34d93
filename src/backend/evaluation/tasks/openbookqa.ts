import { readLetteredQuestion } from "../harness/letteredQuestion";
import { stripStart } from "../harness/pythonText";
import { defineTask } from "../harness/task";

export default defineTask({
  kind: "choices",
  title: "OpenBookQA",
  version: "1.0",
  splits: { training: "train", validation: "validation", test: "test" },
  parts: [
    {
      name: "openbookqa",
      data: { folder: "openbookqa", hub: "allenai/openbookqa", config: "main", license: "Apache 2.0" },
    },
  ],
  normalized: true,
  read: (document) => ({
    context: document.text("question_stem"),
    ...readLetteredQuestion(document, stripStart(document.text("answerKey"))),
  }),
});
