import { defineDataSet } from "../namedDataSet";

export default defineDataSet({
  title: "WikiText-103",
  folder: "wikitext-103",
  licence: "CC BY-SA 3.0",
  purpose: "Perplexity of language models on a hundred million words; its test text is that of WikiText-2.",
  columns: { text_column: "text" },
  hub: {
    id: "Salesforce/wikitext",
    config: "wikitext-103-v1",
    split: "train",
    validation: "validation",
    test: "test",
  },
});
