import { defineDataSet } from "../namedDataSet";

export default defineDataSet({
  title: "MNLI",
  folder: "glue/MNLI",
  licence: "that of its sources, see https://gluebenchmark.com",
  purpose:
    "Whether a sentence follows from another, leaves it open or contradicts it; accuracy on the matched genres.",
  columns: {
    text_column: "premise",
    text_pair_column: "hypothesis",
    label_column: "label",
    labels: ["0", "1", "2"],
    label_names: ["entailment", "neutral", "contradiction"],
  },
  hub: { id: "nyu-mll/glue", config: "mnli", split: "train", validation: "validation_matched" },
});
