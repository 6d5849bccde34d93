import { defineDataSet } from "../namedDataSet";

const source =
  "https://raw.githubusercontent.com/pytorch/examples/77f55b912142/word_language_model/data/wikitext-2";

export default defineDataSet({
  title: "WikiText-2",
  folder: "wikitext-2",
  licence: "CC BY-SA 3.0",
  purpose:
    "Perplexity of language models, word level with <unk>; per word, a line end counts as one (<eos>): 245,569 in test.",
  train: {
    name: "train.txt",
    url: `${source}/train.txt`,
    sha256: "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
    bytes: 10_797_148,
  },
  validation: {
    name: "valid.txt",
    url: `${source}/valid.txt`,
    sha256: "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
    bytes: 1_121_681,
  },
  test: {
    name: "test.txt",
    url: `${source}/test.txt`,
    sha256: "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
    bytes: 1_256_449,
  },
});
