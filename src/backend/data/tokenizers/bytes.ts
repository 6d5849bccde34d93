/** The tokenizer without a vocabulary file: one id a byte of UTF-8, and `<|endoftext|>` after them. */
import { cutAnywhere } from "./cutRule";
import { encodeByCharacter, type Tokenizer } from "./tokenizer";

const END_OF_TEXT = 256;

export function createBytesTokenizer(): Tokenizer {
  return {
    id: "bytes",
    vocabSize: 257,
    endOfText: END_OF_TEXT,
    bos: undefined,
    hash: "bytes",
    cuts: cutAnywhere,
    notices: [],
    files: { "tokenizer.json": JSON.stringify(createTokenizerJson(), undefined, 1) },
    ...encodeByCharacter((text) => new Int32Array(Buffer.from(text, "utf8"))),
    nameOf: (id) =>
      id < END_OF_TEXT ? createByteLevelAlphabet()[id] : id === END_OF_TEXT ? "<|endoftext|>" : undefined,
    decode(ids) {
      const bytes: number[] = [];
      for (let i = 0; i < ids.length; i++) if (ids[i]! < END_OF_TEXT) bytes.push(ids[i]!);
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
    },
  };
}

/**
 * The printable stand-ins for the 256 bytes that byte-level vocabularies of Hugging Face tokenizers use:
 * printable bytes map to themselves, the others to code points from U+0100.
 */
export function createByteLevelAlphabet(): readonly string[] {
  let unprintable = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCharCode(printable ? byte : 256 + unprintable++);
  });
}

/** The same tokenizer in Hugging Face's format: byte-level BPE without a single merge. */
function createTokenizerJson(): unknown {
  return {
    version: "1.0",
    added_tokens: [
      {
        id: END_OF_TEXT,
        content: "<|endoftext|>",
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      },
    ],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(createByteLevelAlphabet().map((character, byte) => [character, byte])),
      merges: [],
    },
  };
}
