import { readLastWord } from "../harness/lastWord";
import { defineTask } from "../harness/task";

export default defineTask({
  kind: "cloze",
  title: "LAMBADA, as published",
  version: "1.0",
  splits: { validation: "validation", test: "test" },
  parts: [
    {
      name: "lambada_standard",
      data: { folder: "lambada_standard", hub: "cimec/lambada", license: "CC BY 4.0" },
    },
  ],
  read: readLastWord,
});
