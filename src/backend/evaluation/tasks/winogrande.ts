import { strip } from "../harness/pythonText";
import { defineTask } from "../harness/task";

export default defineTask({
  kind: "contexts",
  title: "WinoGrande",
  version: "1.0",
  splits: { training: "train", validation: "validation" },
  parts: [
    {
      name: "winogrande",
      data: { folder: "winogrande", hub: "allenai/winogrande", config: "winogrande_xl", license: "CC BY" },
    },
  ],
  read(document) {
    const sentence = document.text("sentence");
    const blank = sentence.indexOf("_");
    if (blank < 0) return document.refuse("its sentence has no _ to fill in");
    const answer = document.integer("answer");
    if (answer !== 1 && answer !== 2) return document.refuse(`its answer has to be 1 or 2, but is ${answer}`);
    return {
      contexts: ["option1", "option2"].map((option) => sentence.slice(0, blank) + document.text(option)),
      continuation: strip(sentence.slice(blank + 1)),
      gold: answer - 1,
    };
  },
});
