import { defineDataSet } from "../namedDataSet";

export default defineDataSet({
  title: "QQP",
  folder: "glue/QQP",
  licence: "that of its sources, see https://gluebenchmark.com",
  purpose: "Whether two questions ask the same; accuracy and F1.",
  columns: {
    text_column: "question1",
    text_pair_column: "question2",
    label_column: "label",
    labels: ["0", "1"],
    label_names: ["not_duplicate", "duplicate"],
  },
  hub: { id: "nyu-mll/glue", config: "qqp", split: "train", validation: "validation" },
});
