import { readLastWord } from "../harness/lastWord";
import { defineTask } from "../harness/task";

export default defineTask({
  kind: "cloze",
  title: "LAMBADA, as OpenAI prepared it",
  version: "1.0",
  splits: { test: "test" },
  parts: [
    {
      name: "lambada_openai",
      data: {
        folder: "lambada_openai",
        hub: "EleutherAI/lambada_openai",
        config: "default",
        license: "modified MIT",
      },
    },
  ],
  read: readLastWord,
});
