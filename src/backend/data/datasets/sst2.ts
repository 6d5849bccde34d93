import { defineDataSet } from "../namedDataSet";

const page = "https://gluebenchmark.com/tasks";

export default defineDataSet({
  title: "SST-2",
  folder: "glue/SST-2",
  licence: "none stated",
  purpose: "Sentiment of phrases and sentences of film reviews; accuracy.",
  columns: {
    format: "tsv",
    quoting: "none",
    label_column: "label",
    text_column: "sentence",
    labels: ["0", "1"],
    label_names: ["negative", "positive"],
  },
  train: {
    name: "train.tsv",
    page,
    sha256: "48eac26399f8456935f81dd9e3a745c1430adb6c62e233ccfe22db4a0d15d1d1",
    bytes: 3_806_081,
  },
  validation: {
    name: "dev.tsv",
    page,
    sha256: "54a9c12c77e402fc14d6a66a506f24d999f596b0176eb777c972cccc2f9cc4b0",
    bytes: 94_931,
  },
});
