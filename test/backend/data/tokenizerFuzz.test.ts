import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Fragment, splitPieces } from "../../../src/backend/data/pieces";
import { createTokenizerFromJson } from "../../../src/backend/data/tokenizers/tokenizerJson";

/**
 * Hashes of the results of Python's `tokenizers` for texts that both sides generate:
 * scripts/reference/fuzzTokenizers.py.
 */
interface Fixture {
  readonly texts: number;
  readonly alphabet: string;
  readonly words: readonly string[];
  readonly models: readonly { readonly type: string; readonly vocab: readonly unknown[] }[];
  readonly cases: readonly {
    readonly name: string;
    readonly seed: number;
    readonly model: number;
    readonly normalizer: unknown;
    readonly pre_tokenizer: unknown;
    readonly decoder: unknown;
    readonly added_tokens: unknown;
    readonly tokens: number;
    readonly ids: string;
    readonly decoded: string;
  }[];
}
const fixture = JSON.parse(readFileSync("test/fixtures/tokenizers.json", "utf8")) as Fixture;
const alphabet = Array.from(fixture.alphabet);

function drawer(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % limit;
  };
}

function drawText(below: (limit: number) => number): string {
  let text = "";
  for (let left = 1 + below(40); left > 0; left--) {
    const kind = below(8);
    if (kind === 0) text += fixture.words[below(fixture.words.length)]!;
    else text += alphabet[below(kind < 5 ? 35 : alphabet.length)]!;
  }
  return text;
}

function tokenizerOf({ name, model: index, ...rules }: Fixture["cases"][number]) {
  const { vocab, ...model } = fixture.models[index]!;
  const ids =
    model.type === "Unigram" ? vocab : Object.fromEntries(vocab.map((token, id) => [String(token), id]));
  const { normalizer, pre_tokenizer, decoder, added_tokens } = rules;
  const parts = { normalizer, pre_tokenizer, decoder, added_tokens, post_processor: null };
  return createTokenizerFromJson(
    name,
    JSON.stringify({
      version: "1.0",
      truncation: null,
      padding: null,
      ...parts,
      model: { ...model, vocab: ids },
    }),
  );
}

describe("ids and text match Python's library", () => {
  test.each(fixture.cases.map((each) => [each.name, each] as const))("%s", async (_, each) => {
    const tokenizer = await tokenizerOf(each);
    const below = drawer(each.seed);
    const texts = Array.from({ length: fixture.texts }, () => drawText(below));
    const [ids, decoded] = [createHash("sha256"), createHash("sha256")];
    let tokens = 0;
    for (const encoded of await tokenizer.encodeAll(texts)) {
      tokens += encoded.length;
      ids.update(`${encoded.join()}\n`);
      decoded.update(`${tokenizer.decode(encoded)}\n`);
    }
    expect({ tokens, ids: ids.digest("hex"), decoded: decoded.digest("hex") }).toEqual({
      tokens: each.tokens,
      ids: each.ids,
      decoded: each.decoded,
    });
  });
});

test("a text is only split where the ids stay the same, and encoding it in parts keeps ids and text", async () => {
  const cutsOf = new Map<string, number>();
  for (const each of fixture.cases) {
    const tokenizer = await tokenizerOf(each);
    const below = drawer(1000 + each.seed);
    const words = ["word", "the", "01", "中文", "don't", "a.", "(x)", "é", "A"];
    const text = Array.from({ length: 60 }, () => {
      const word = words[below(words.length)]!;
      return `${below(4) === 0 ? drawText(below) : word}${below(5) === 0 ? "\n" : " "}`;
    }).join("");
    // Only this call passes the whole text to the library; other methods split it into words.
    const [{ ids: whole } = { ids: [] }] = await tokenizer.encodeInParts(text, Infinity);
    expect(Array.from(await tokenizer.encode(text)), each.name).toEqual(Array.from(whole));
    const pieces: string[] = [];
    async function* fragments(): AsyncGenerator<Fragment> {
      yield { text, end: true };
    }
    for await (const piece of splitPieces(fragments(), tokenizer.cuts, 8)) pieces.push(piece.text);
    cutsOf.set(each.name, pieces.length - 1);
    const joined = (await tokenizer.encodeAll(pieces)).flatMap((ids) => Array.from(ids));
    expect(joined, each.name).toEqual(Array.from(whole));
    const parts = await tokenizer.encodeInParts(text, 8);
    expect(parts.map((part) => part.text).join("")).toBe(text);
    expect(parts.flatMap(({ ids }) => Array.from(ids))).toEqual(Array.from(whole));
  }
  for (const name of [
    "byte level",
    "cl100k",
    "deepseek",
    "metaspace always True",
    "unigram",
    "sentencepiece",
  ])
    expect(cutsOf.get(name), name).toBeGreaterThan(5);
  for (const name of ["unigram without words", "split Contiguous False", "strip", "added normalized"])
    expect(cutsOf.get(name), name).toBe(0);
});
