/**
 * Vocabularies in other formats than tokenizer.json: SentencePiece, GGUF, GPT-2's two files, and the files beside them.
 */
import { copyFileSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openTokenizer } from "../../../src/backend/data/tokenizers/openTokenizer";
import { failureOf, sharedFile, temporaryFolder, vocabularyCases, writeFiles } from "./fixtures";

interface Trained {
  readonly model: string;
  readonly vocabulary: number;
  readonly cases: readonly (readonly [text: string, ids: readonly number[], decoded: string])[];
}
/** Written by scripts/reference/pieces.py with SentencePiece. */
const { made_with: _, ...trained } = JSON.parse(
  readFileSync(new URL("../../fixtures/pieces.json", import.meta.url), "utf8"),
) as Record<string, Trained>;

describe("a SentencePiece model", () => {
  test.each(Object.entries(trained))("%s encodes and decodes as SentencePiece does", async (_, given) => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "tokenizer.model": Buffer.from(given.model, "base64") });
    const tokenizer = await openTokenizer(folder, "/");
    expect(tokenizer.vocabSize).toBe(given.vocabulary);
    expect(tokenizer.bos).toBe(1);
    expect(tokenizer.endOfText).toBe(2);
    for (const [text, ids, decoded] of given.cases) {
      expect([...(await tokenizer.encode(text))], text).toEqual(ids);
      if (!ids.includes(0)) expect(tokenizer.decode(ids), text).toBe(decoded);
    }
  });

  test("is exported as an equivalent tokenizer.json", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, {
      "tokenizer.model": Buffer.from(trained["bpe with bytes"]!.model, "base64"),
      "added_tokens.json": '{"<|end|>": 380}',
    });
    const tokenizer = await openTokenizer(folder, "/");
    expect(tokenizer.vocabSize).toBe(381);
    const copy = temporaryFolder();
    await writeFiles(copy, tokenizer.files);
    const back = await openTokenizer(copy, "/");
    expect(back.hash).toBe(tokenizer.hash);
    expect(await back.encode("the<|end|>river")).toEqual(await tokenizer.encode("the<|end|>river"));
    expect([...(await tokenizer.encode("the<|end|>river"))]).toContain(380);
  });

  test("prepends a space to the first segment only if its settings set `legacy` to false", async () => {
    const open = async (legacy: boolean) => {
      const folder = temporaryFolder();
      await writeFiles(folder, {
        "tokenizer.model": Buffer.from(trained["bpe with bytes"]!.model, "base64"),
        "tokenizer_config.json": JSON.stringify({
          legacy,
          add_bos_token: false,
          added_tokens_decoder: { 380: { content: "<|end|>", special: true, rstrip: true } },
        }),
      });
      return openTokenizer(folder, "/");
    };
    const [old, current] = [await open(true), await open(false)];
    expect(old.bos).toBeUndefined();
    const text = "the<|end|> \nriver";
    expect([...(await old.encode(text))]).toEqual([
      ...(await old.encode("the")),
      380,
      ...(await old.encode("river")),
    ]);
    expect([...(await current.encode("the"))]).toEqual([...(await old.encode("the"))]);
    expect((await current.encode(text)).length).toBeGreaterThan(0);
    expect(current.decode(await current.encode(text))).toBe("theriver");
  });

  test.each([
    ["nothing", () => Buffer.alloc(0), /not a SentencePiece model \(it holds no pieces\)/],
    ["text", () => Buffer.from("this is not a model"), /not a SentencePiece model/],
    [
      "half of one",
      () => {
        const whole = Buffer.from(trained["unigram"]!.model, "base64");
        return whole.subarray(0, whole.length / 2);
      },
      /not a SentencePiece model/,
    ],
    [
      "one whose table is damaged",
      // A second normalizer field, which has a table of one byte, follows the first.
      () => Buffer.concat([Buffer.from(trained["unigram"]!.model, "base64"), Buffer.from([26, 3, 18, 1, 7])]),
      /precompiled_charsmap is damaged \(1 bytes, of which the trie takes 0\)/,
    ],
    [
      "one whose user-defined pieces its table would rewrite",
      () =>
        Buffer.concat([
          Buffer.from(trained["bpe with user-defined spaces"]!.model, "base64"),
          Buffer.from([26, 3, 18, 1, 7]),
        ]),
      /exempts its user-defined piece "▁▁" from its normalization.*Give the tokenizer.json/,
    ],
  ])("is refused where the file is %s", async (_, content, message) => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "tokenizer.model": content() });
    expect((await failureOf(openTokenizer("tokenizer.model", folder))).message).toMatch(message);
  });
});

describe("a GGUF file", () => {
  const header = (count: bigint, ...rest: readonly Buffer[]) => {
    const head = Buffer.alloc(24);
    head.write("GGUF");
    head.writeUInt32LE(3, 4);
    head.writeBigUInt64LE(count, 16);
    return Buffer.concat([head, ...rest]);
  };
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const u64 = (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return bytes;
  };
  const string = (text: string) => Buffer.concat([u64(BigInt(Buffer.byteLength(text))), Buffer.from(text)]);
  const list = (key: string, type: number, values: readonly Buffer[]) =>
    Buffer.concat([string(key), u32(9), u32(type), u64(BigInt(values.length)), ...values]);
  const text = (key: string, value: string) => Buffer.concat([string(key), u32(8), string(value)]);

  test("of GPT-2's kind is read with its chat template", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, {
      "small.gguf": header(
        6n,
        text("general.name", "small"),
        text("tokenizer.ggml.model", "gpt2"),
        text("tokenizer.chat_template", "{{ messages }}"),
        list("tokenizer.ggml.tokens", 8, ["a", "b", "ab", "<|endoftext|>"].map(string)),
        list("tokenizer.ggml.token_type", 5, [1, 1, 1, 3].map(u32)),
        list("tokenizer.ggml.merges", 8, [string("a b")]),
      ),
    });
    const tokenizer = await openTokenizer("small.gguf", folder);
    expect([...(await tokenizer.encode("abb<|endoftext|>"))]).toEqual([2, 1, 3]);
    expect(tokenizer.endOfText).toBe(3);
    expect(String(tokenizer.files["tokenizer_config.json"])).toContain("{{ messages }}");
  });

  test.each([
    ["is another file", Buffer.from("GGML and more than that, to be sure"), /does not begin with GGUF/],
    ["is old", Buffer.from(header(0n)).fill(1, 4, 5), /is of version 1/],
    ["claims more entries than it has bytes", header(2n ** 63n), /claims 9223372036854775808 entries/],
    [
      "claims a longer key than itself",
      header(1n, u64(20n), Buffer.from("short")),
      /its metadata ends too early/,
    ],
    [
      "claims an endless list",
      header(1n, Buffer.concat([string("tokenizer.ggml.tokens"), u32(9), u32(8), u64(2n ** 40n)])),
      /claims 1099511627776 entries/,
    ],
    ["nests lists", header(1n, list("x", 9, [u32(1)])), /a value of type 9/],
    ["has no vocabulary", header(0n), /the file holds none/],
    [
      "splits text in an unknown way",
      header(
        3n,
        text("tokenizer.ggml.model", "gpt2"),
        text("tokenizer.ggml.pre", "falcon"),
        list("tokenizer.ggml.tokens", 8, [string("a")]),
      ),
      /of the kind gpt2\/falcon/,
    ],
  ])("is refused where it %s", async (_, content, message) => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "x.gguf": content });
    expect((await failureOf(openTokenizer("x.gguf", folder))).message).toMatch(message);
  });
});

describe("the two files of GPT-2", () => {
  const files = {
    "vocab.json": JSON.stringify({ a: 0, b: 1, ab: 2, Ġ: 3, "<|endoftext|>": 4 }),
    "merges.txt": "#version: 0.2\na b\n",
  };

  test("are read together", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, files);
    for (const name of [folder, "vocab.json"]) {
      const tokenizer = await openTokenizer(name, folder);
      expect([...(await tokenizer.encode("ab ab"))]).toEqual([2, 3, 2]);
      expect(tokenizer.endOfText).toBe(4);
      expect(tokenizer.bos).toBeUndefined();
    }
  });

  test("are refused if one is missing, and without ids", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "vocab.json": files["vocab.json"] });
    expect((await failureOf(openTokenizer("vocab.json", folder))).message).toMatch(/merges.txt is missing/);
    expect((await failureOf(openTokenizer(folder, "/"))).message).toMatch(/holds no tokenizer.json/);
    await writeFiles(folder, { "vocab.json": '{"a": "b"}', "merges.txt": "" });
    expect((await failureOf(openTokenizer("vocab.json", folder))).message).toMatch(
      /not a map of tokens to ids/,
    );
  });
});

describe("published vocabularies", () => {
  test.for([
    ["llama-spm", "tokenizer.model", "ggml-vocab-llama-spm.gguf", 32_000, 2],
    ["llama-spm", "ggml-vocab-llama-spm.gguf", "ggml-vocab-llama-spm.gguf", 32_000, 2],
    ["gpt2-bpe", "ggml-vocab-gpt-2.gguf", "ggml-vocab-gpt-2.gguf", 50_257, 50_256],
    ["gpt2-bpe", "encoder.json", "ggml-vocab-gpt-2.gguf", 50_257, 50_256],
  ] as const)(
    "%s/%s gives the expected ids in all 47 cases",
    async ([folder, file, beside, size, end], context) => {
      const tokenizer = await openTokenizer(sharedFile(context, folder, file), "/");
      expect(tokenizer.vocabSize).toBe(size);
      expect(tokenizer.endOfText).toBe(end);
      const cases = vocabularyCases(context, folder, beside);
      expect(cases.length).toBe(47);
      for (const [text, ids] of cases) expect([...(await tokenizer.encode(text))], text).toEqual(ids);
    },
  );

  test("Phi-3's is Llama's with added tokens, in its GGUF file and with a tokenizer.model", async (context) => {
    const gguf = await openTokenizer(sharedFile(context, "phi3-vocab", "ggml-vocab-phi-3.gguf"), "/");
    const folder = temporaryFolder();
    for (const file of [
      sharedFile(context, "llama-spm", "tokenizer.model"),
      sharedFile(context, "phi3-vocab", "added_tokens.json"),
    ])
      copyFileSync(file, path.join(folder, path.basename(file)));
    const own = await openTokenizer(folder, "/");
    expect([gguf.vocabSize, own.vocabSize]).toEqual([32_064, 32_011]);
    // The GGUF file and the SentencePiece model name different end-of-text tokens.
    expect([gguf.endOfText, own.endOfText]).toEqual([32_000, 2]);
    for (const tokenizer of [gguf, own]) {
      const cases = vocabularyCases(context, "llama-spm", "ggml-vocab-llama-spm.gguf");
      for (const [text, ids] of cases) expect([...(await tokenizer.encode(text))], text).toEqual(ids);
      const plain = [...(await tokenizer.encode("Name a river."))];
      const turn = await tokenizer.encode("<|user|>Name a river.<|end|><|assistant|>");
      expect([...turn]).toEqual([32_010, ...plain, 32_007, 32_001]);
      expect(tokenizer.decode(turn)).toBe("Name a river.");
    }
  });

  test("the tokenizer.model of stories260K gives the ids of its tokenizer.bin", async (context) => {
    const model = await openTokenizer(sharedFile(context, "stories260k", "tok512.model"), "/");
    const bin = await openTokenizer(sharedFile(context, "stories260k", "tok512.bin"), "/");
    for (const text of ["Once upon a time, there was a little girl.", "naïve 東京", "a\n\tb"])
      expect([...(await model.encode(text))], text).toEqual([...(await bin.encode(text))]);
  });
});
