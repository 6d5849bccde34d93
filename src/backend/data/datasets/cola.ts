import { defineDataSet } from "../namedDataSet";

const page = "https://nyu-mll.github.io/CoLA/";

export default defineDataSet({
  title: "CoLA",
  folder: "glue/CoLA",
  licence: "sentences from published works, fair use claimed by the authors",
  purpose: "Whether an English sentence is acceptable; Matthews correlation, as 70 % are.",
  columns: {
    format: "tsv",
    quoting: "none",
    header: false,
    label_column: "2",
    text_column: "4",
    labels: ["0", "1"],
    label_names: ["unacceptable", "acceptable"],
  },
  train: {
    name: "train.tsv",
    page,
    sha256: "cb368ebeb9f27d7ad03720d27ddc95687a311bdb100781a2fe59a5f5b1bc0624",
    bytes: 428_590,
  },
  validation: {
    name: "dev.tsv",
    page,
    sha256: "8c013e21dc39957cac37378d87bebe225b694a0d5fe13eded66c2856628833fd",
    bytes: 53_717,
  },
});
