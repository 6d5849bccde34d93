/** Files that would make the native library end the process: each is refused first, and the process survives. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createTokenizerFromJson } from "../../../src/backend/data/tokenizers/tokenizerJson";
import { failureOf } from "./fixtures";

const merging = { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] };
const open = (parts: object) =>
  createTokenizerFromJson(
    "tokenizer.json",
    JSON.stringify({
      version: "1.0",
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      model: merging,
      ...parts,
    }),
  );
const template = (single: unknown, special_tokens: unknown = {}) => ({
  post_processor: {
    type: "Sequence",
    processors: [
      { type: "TemplateProcessing", single, pair: [{ Sequence: { id: "A", type_id: 0 } }], special_tokens },
    ],
  },
});
const sequence = (id: string) => ({ Sequence: { id, type_id: 0 } });
const charsmap = (base64: string) => ({
  normalizer: {
    type: "Sequence",
    normalizers: [{ type: "Precompiled", precompiled_charsmap: base64 }],
  },
});

describe("a tokenizer.json is refused", () => {
  test.each([
    [
      "whose merge gives no token",
      { model: { type: "BPE", vocab: { a: 0, b: 1 }, merges: ["a b"] } },
      /model\.merges: "a b" needs the token "ab", which model\.vocab lacks/,
    ],
    [
      "whose merge joins an unknown token",
      { model: { ...merging, merges: [["a", "c"]] } },
      /"a c" needs the token "c"/,
    ],
    [
      "whose merge ignores the prefix of subwords",
      { model: { ...merging, continuing_subword_prefix: "##" } },
      /"a b" joins a token without the continuing_subword_prefix "##"/,
    ],
    [
      "that splits into no characters",
      { pre_tokenizer: { type: "FixedLength", length: 0 } },
      /FixedLength\.length is 0/,
    ],
    [
      "whose template names an unknown token",
      template([{ SpecialToken: { id: "<s>", type_id: 0 } }, sequence("A")]),
      /post_processor\.single names "<s>", which is not in special_tokens/,
    ],
    [
      "whose template of one text has two texts",
      template([sequence("A"), sequence("B")]),
      /single has the sequence "B"/,
    ],
    ["whose table is not base64", charsmap("$$$"), /precompiled_charsmap is damaged \(it is not base64\)/],
    ["whose table is empty", charsmap(""), /precompiled_charsmap is damaged/],
    ["whose table has no room for its trie", charsmap("/////w=="), /of which the trie takes 4294967295/],
  ])("%s", async (_, parts, message) => {
    const { message: text } = await failureOf(open(parts));
    expect(text).toMatch(message);
    expect(text).toMatch(/^tokenizer\.json: the tokenizer cannot be read/);
  });
});

describe("the table of an intact file", () => {
  const { cases } = JSON.parse(readFileSync("test/fixtures/tokenizers.json", "utf8")) as {
    readonly cases: readonly { readonly normalizer: { readonly precompiled_charsmap?: string } | null }[];
  };
  const intact = cases.flatMap(({ normalizer }) => normalizer?.precompiled_charsmap ?? [])[0]!;

  test("is accepted", async () => {
    expect([...(await (await open(charsmap(intact))).encode("ab"))]).toEqual([2]);
  });

  test("is accepted or refused, and never ends the process, whichever of its bytes changes", async () => {
    const bytes = Buffer.from(intact, "base64");
    let refused = 0;
    for (let at = 0; at < bytes.length; at += 31) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0xff;
      try {
        const tokenizer = await open(charsmap(changed.toString("base64")));
        await tokenizer.encode("Aﬁ abⅧ\u3000e\u0301ß ab");
      } catch {
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
  });
});
