import { defineNamedModel } from "../namedModel";

const source =
  "https://raw.githubusercontent.com/icppWorld/icpp_llm/6c9bf2ee6c19a98a13d54e93d5d415bf20781cce/llama2_c/stories260K";

export default defineNamedModel({
  title: "stories260K",
  folder: "stories260k",
  licence: "MIT",
  purpose:
    "A Llama of 260,032 parameters and 512 tokens that writes simple stories (Karpathy, llama2.c), to try a method within seconds.",
  weights: {
    name: "stories260K.bin",
    url: `${source}/stories260K.bin`,
    sha256: "b0a507e7ad0f626624f17112325e66691f9076d622e1d3274d103d00299f2696",
    bytes: 1_056_540,
  },
  tokenizer: {
    name: "tok512.bin",
    url: `${source}/tok512.bin`,
    sha256: "037cb335abb25d1fa9e8ecae30ed2a3a8ace9302862ebcdc05d51a6bbb10c312",
    bytes: 6_227,
  },
});
