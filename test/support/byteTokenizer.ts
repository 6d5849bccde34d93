import { createByteLevelAlphabet } from "../../src/backend/data/tokenizers/bytes";

/** A `tokenizer.json` of single bytes, with special tokens whose ids start at 256. */
export function createByteTokenizerJson(...added: readonly string[]): string {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return JSON.stringify({
    version: "1.0",
    added_tokens: added.map((content, i) => ({ id: 256 + i, content, ...flags })),
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(createByteLevelAlphabet().map((token, id) => [token, id])),
      merges: [],
    },
  });
}
