import { Tokenizer as Library } from "tokenizers";
import { describe, expect, test } from "vitest";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { CharacterSet, createCharactersTokenizer } from "../../../src/backend/data/tokenizers/characters";
import { openTokenizer } from "../../../src/backend/data/tokenizers/openTokenizer";
import { createTokenizerFromJson } from "../../../src/backend/data/tokenizers/tokenizerJson";
import { failureOf, sharedFile, temporaryFolder, vocabularyCases, writeFiles } from "./fixtures";

const samples = [
  "The quick brown fox",
  " leading and trailing ",
  "naïve café — 東京 🎉\r\n\ttabs",
  "if (x <= 1) {\n    return y;\n}\n\n\n",
  "don't  stop   1234567",
];

/** A small tokenizer.json whose model has the characters of the samples and these merges. */
function smallJson(parts: {
  pre_tokenizer: unknown;
  normalizer?: unknown;
  decoder?: unknown;
  merges: string[];
  alphabet: readonly string[];
  added?: readonly Record<string, unknown>[];
}): string {
  const pieces = [...parts.alphabet, ...parts.merges.map((merge) => merge.replace(" ", ""))];
  return JSON.stringify({
    version: "1.0",
    added_tokens: (parts.added ?? []).map((token, i) => ({
      id: pieces.length + i,
      special: true,
      lstrip: false,
      rstrip: false,
      normalized: false,
      single_word: false,
      ...token,
    })),
    normalizer: parts.normalizer ?? null,
    pre_tokenizer: parts.pre_tokenizer,
    post_processor: null,
    decoder: parts.decoder ?? null,
    model: {
      type: "BPE",
      unk_token: null,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: parts.merges,
    },
  });
}

describe("bytes", () => {
  const tokenizer = createBytesTokenizer();

  test("every text is restored from its ids", async () => {
    for (const text of samples) expect(tokenizer.decode(await tokenizer.encode(text))).toBe(text);
    expect(tokenizer.vocabSize).toBe(257);
    expect([...(await tokenizer.encode("aé"))]).toEqual([0x61, 0xc3, 0xa9]);
  });

  test("half a character decodes to the replacement character, and the end of text to nothing", async () => {
    const ids = await tokenizer.encode("aé");
    expect(tokenizer.decode(ids.subarray(0, 2))).toBe("a\ufffd");
    expect(tokenizer.decode([0x61, 256, 0x62])).toBe("ab");
  });

  test("its tokenizer.json is loaded as the same tokenizer", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, tokenizer.files);
    const back = await openTokenizer(folder, "/");
    expect(back.hash).toBe(tokenizer.hash);
    expect(back.endOfText).toBe(256);
  });

  test("its tokenizer.json gives the same ids in Hugging Face's library", async () => {
    const library = Library.fromString(String(tokenizer.files["tokenizer.json"]));
    for (const text of samples) {
      const encoding = await library.encode(text, null, { addSpecialTokens: false });
      expect(encoding.getIds()).toEqual([...(await tokenizer.encode(text))]);
    }
  });
});

describe("characters", () => {
  test("ids follow the code points, even beyond 16 bits", async () => {
    const set = new CharacterSet();
    set.add("bca🎉");
    set.add("b\n");
    const tokenizer = createCharactersTokenizer(set.sorted(), false);
    expect(set.sorted()).toEqual(["\n", "a", "b", "c", "🎉"]);
    expect([...(await tokenizer.encode("🎉ab"))]).toEqual([4, 1, 2]);
    expect(tokenizer.decode([4, 1, 2])).toBe("🎉ab");
    expect(tokenizer.endOfText).toBeUndefined();
  });

  test("an unknown character is named", async () => {
    const tokenizer = createCharactersTokenizer(["a", "b"], false);
    const error = await failureOf((async () => await tokenizer.encode("abß"))());
    expect(error.code).toBe("invalid-input");
    expect(error.message).toContain('"ß" (U+00DF)');
  });

  test("its tokenizer.json is loaded as the same tokenizer", async () => {
    for (const withEnd of [true, false]) {
      const tokenizer = createCharactersTokenizer(["\n", " ", "1", "a", "🎉"], withEnd);
      const folder = temporaryFolder();
      await writeFiles(folder, tokenizer.files);
      const back = await openTokenizer("tokenizer.json", folder);
      expect(back.hash).toBe(tokenizer.hash);
      expect([...(await back.encode("1🎉a"))]).toEqual([2, 4, 3]);
    }
  });
});

describe("tokenizer.json", () => {
  const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));

  test("words of a Llama-like vocabulary can be encoded separately", async () => {
    const json = smallJson({
      alphabet: ["▁", "\n", ...ascii],
      merges: ["▁ t", "h e", "▁t he", "▁ ▁", "▁▁ ▁▁", "i n", "▁ ("],
      normalizer: {
        type: "Sequence",
        normalizers: [
          { type: "Prepend", prepend: "▁" },
          { type: "Replace", pattern: { String: " " }, content: "▁" },
        ],
      },
      pre_tokenizer: null,
      decoder: {
        type: "Sequence",
        decoders: [
          { type: "Replace", pattern: { String: "▁" }, content: " " },
          { type: "Fuse" },
          { type: "Strip", content: " ", start: 1, stop: 0 },
        ],
      },
      added: [{ content: "</s>" }, { content: "<mask>", rstrip: true }],
    });
    const tokenizer = await createTokenizerFromJson("small", json);
    expect(tokenizer.cuts).toMatchObject({ space: "dropped", line: false });
    for (const text of ["the  cat in    the (hat)", "x\n  the the\n", " the", "the "])
      expect(tokenizer.decode(await tokenizer.encode(text))).toBe(text);
    expect(tokenizer.endOfText).toBe(tokenizer.vocabSize - 2);
    // "▁the", "▁in", and a token that strips the space after it, which separate words would not include.
    expect((await tokenizer.encode("the in the")).length).toBe(4);
    expect(await tokenizer.encode("the<mask> the")).toEqual(await tokenizer.encode("the<mask>the"));
  });

  test("special tokens that the file prepends to a text become the opening token of documents", async () => {
    const json = JSON.parse(
      smallJson({ alphabet: ["a", "b"], merges: ["a b"], pre_tokenizer: null, added: [{ content: "<s>" }] }),
    ) as Record<string, unknown>;
    json["post_processor"] = {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [],
      special_tokens: { "<s>": { id: "<s>", ids: [3], tokens: ["<s>"] } },
    };
    const tokenizer = await createTokenizerFromJson("small", JSON.stringify(json));
    expect(tokenizer.bos).toBe(3);
    expect([...(await tokenizer.encode("ab"))]).toEqual([2]);
  });

  test("the end of text is read from tokenizer_config.json if its name is unusual", async () => {
    const json = smallJson({
      alphabet: ["a"],
      merges: [],
      pre_tokenizer: { type: "Whitespace" },
      added: [{ content: "<end>" }],
    });
    expect(
      (await createTokenizerFromJson("small", json, { config: '{"eos_token": {"content": "<end>"}}' }))
        .endOfText,
    ).toBe(1);
    expect((await createTokenizerFromJson("small", json)).endOfText).toBeUndefined();
  });

  test.each([
    ["no JSON at all", "{", "cannot be read"],
    ["JSON of something else", '{"hello": 1}', "cannot be read"],
    ["a model that does not exist", '{"model": {"type": "Magic", "vocab": 3}}', "cannot be read"],
  ])("%s is refused with the file's name", async (_, content, message) => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "tokenizer.json": content });
    const error = await failureOf(openTokenizer("tokenizer.json", folder));
    expect(error.code).toBe("invalid-input");
    expect(error.message).toContain("tokenizer.json");
    expect(error.message).toContain(message);
  });

  test("a missing file is refused with the accepted names", async () => {
    const error = await failureOf(openTokenizer("gone/tokenizer.json", temporaryFolder()));
    expect(error.code).toBe("not-found");
    expect(error.message).toMatch(/gone.tokenizer\.json.*bytes, characters/s);
  });
});

describe("llama2.c tokenizer", () => {
  test.each([
    ["an empty file", new Uint8Array(0)],
    ["text", Buffer.from("not a tokenizer at all")],
    ["a file that is cut off", Buffer.from([4, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 65])],
  ])("%s is refused", async (_, content) => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "tok.bin": content });
    const error = await failureOf(openTokenizer("tok.bin", folder));
    expect(error.code).toBe("invalid-input");
    expect(error.message).toContain("tok.bin is not a llama2.c tokenizer file");
  });

  test("the known text of stories260K has the known ids", async (context) => {
    const tokenizer = await openTokenizer(sharedFile(context, "stories260k", "tok512.bin"), "/");
    const ids = [
      403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410,
      408, 419, 292, 411, 322, 265, 282, 295, 433, 426,
    ];
    const text =
      "Once upon a time, there was a little girl named Lily. She loved to play outside in the park.";
    expect(tokenizer.decode(ids)).toBe(text);
    expect([...(await tokenizer.encode(text))]).toEqual(ids);
    expect(tokenizer.vocabSize).toBe(512);
    for (const sample of samples) expect(tokenizer.decode(await tokenizer.encode(sample))).toBe(sample);
  });
});

describe("published vocabularies", () => {
  test("GPT-2's tokenizer.json gives the expected ids in all 47 cases", async (context) => {
    const tokenizer = await openTokenizer(sharedFile(context, "gpt2-bpe", "tokenizer.json"), "/");
    const cases = vocabularyCases(context, "gpt2-bpe", "ggml-vocab-gpt-2.gguf");
    expect(cases.length).toBe(47);
    for (const [input, ids] of cases) expect([...(await tokenizer.encode(input))], input).toEqual(ids);
    expect(tokenizer.endOfText).toBe(50256);
    expect(tokenizer.vocabSize).toBe(50257);
    expect(tokenizer.cuts).toMatchObject({ space: "kept", line: true });
    for (const sample of samples) expect(tokenizer.decode(await tokenizer.encode(sample))).toBe(sample);
  });

  test("Llama 2's tokenizer.bin gives the expected ids in all 47 cases", async (context) => {
    const tokenizer = await openTokenizer(sharedFile(context, "llama-spm", "tokenizer.bin"), "/");
    const cases = vocabularyCases(context, "llama-spm", "ggml-vocab-llama-spm.gguf");
    expect(cases.length).toBe(47);
    for (const [input, ids] of cases) expect([...(await tokenizer.encode(input))], input).toEqual(ids);
    expect(tokenizer.cuts).toMatchObject({ space: "dropped", line: false });
  });
});
