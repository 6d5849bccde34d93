import { defineDataSet } from "../namedDataSet";

export default defineDataSet({
  title: "QNLI",
  folder: "glue/QNLI",
  licence: "that of its sources, see https://gluebenchmark.com",
  purpose: "Whether a sentence holds the answer to a question; accuracy.",
  columns: {
    text_column: "question",
    text_pair_column: "sentence",
    label_column: "label",
    labels: ["0", "1"],
    label_names: ["entailment", "not_entailment"],
  },
  hub: { id: "nyu-mll/glue", config: "qnli", split: "train", validation: "validation" },
});
