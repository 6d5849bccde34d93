import { defineDataSet } from "../namedDataSet";

export default defineDataSet({
  title: "Tiny Shakespeare",
  folder: "tiny-shakespeare",
  licence: "text in the public domain",
  purpose: "Quick character-level training: 1.1 million characters, 65 distinct ones.",
  train: {
    name: "input.txt",
    url: "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
    sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    bytes: 1_115_394,
  },
});
