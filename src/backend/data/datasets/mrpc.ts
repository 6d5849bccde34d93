import { defineDataSet } from "../namedDataSet";

const page = "https://gluebenchmark.com/tasks";

export default defineDataSet({
  title: "MRPC",
  folder: "glue/MRPC",
  licence: "Microsoft Research data license: for research, not for redistribution",
  purpose: "Whether two sentences have the same meaning; accuracy and F1.",
  columns: {
    format: "tsv",
    quoting: "none",
    label_column: "Quality",
    text_column: "#1 String",
    text_pair_column: "#2 String",
    labels: ["0", "1"],
    label_names: ["not_equivalent", "equivalent"],
  },
  train: {
    name: "train.tsv",
    page,
    sha256: "69abcedee3cf738c6ce58d772e43e1b7cdf5b4edee4aceda459c0d9f4e5599f3",
    bytes: 941_471,
  },
  validation: {
    name: "dev.tsv",
    page,
    sha256: "9e8f284788040f7c9ecde2e1b3c07237c756f926bd9ef8548ef5d34b56f69f17",
    bytes: 105_616,
  },
  test: {
    name: "msr_paraphrase_test.txt",
    page,
    sha256: "a04e271090879aaba6423d65b94950c089298587d9c084bf9cd7439bd785f784",
    bytes: 441_275,
  },
});
