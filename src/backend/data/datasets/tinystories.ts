import { defineDataSet } from "../namedDataSet";

export default defineDataSet({
  title: "TinyStories (excerpt)",
  folder: "tinystories",
  licence: "CDLA-Sharing-1.0",
  purpose: "Small models that write simple stories: 2,316 of them, the domain of stories260K.",
  train: {
    name: "tinystories_sample.txt",
    url: "https://raw.githubusercontent.com/gusjengis/toy-RNN/e4c7ff8bba4ff7989e69a3a816ebe4b14813b41e/data/tinystories_sample.txt",
    sha256: "5352b299dcb1a32898b2d779b145b5a05f3e1265953fd21c264c9f9f9c9ae33d",
    bytes: 2_097_152,
  },
});
