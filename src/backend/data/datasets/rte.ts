import { defineDataSet } from "../namedDataSet";

export default defineDataSet({
  title: "RTE",
  folder: "glue/RTE",
  licence: "that of its sources, see https://gluebenchmark.com",
  purpose: "Whether a sentence follows from another; accuracy.",
  columns: {
    text_column: "sentence1",
    text_pair_column: "sentence2",
    label_column: "label",
    labels: ["0", "1"],
    label_names: ["entailment", "not_entailment"],
  },
  hub: { id: "nyu-mll/glue", config: "rte", split: "train", validation: "validation" },
});
