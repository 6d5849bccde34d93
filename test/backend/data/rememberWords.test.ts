import { expect, test } from "vitest";
import { rememberWords } from "../../../src/backend/data/tokenizers/rememberWords";

const cuts = { space: "kept", line: true, beforeVisible: true, addedTokens: ["<x y>"] } as const;

/** An encoder of UTF-16 units that records its calls. */
function unitEncoder() {
  const calls: (readonly string[])[] = [];
  const encodeAll = (texts: readonly string[]) => {
    calls.push(texts);
    return Promise.resolve(texts.map((text) => Int32Array.from(text, (unit) => unit.charCodeAt(0))));
  };
  return { calls, encodeAll };
}
const unitsOf = (text: string) => Array.from(text, (unit) => unit.charCodeAt(0));

test("only new words are passed to the encoder, each once", async () => {
  const { calls, encodeAll } = unitEncoder();
  const encode = rememberWords(cuts, encodeAll);
  const texts = ["the cat saw the 2 cats", "", "the cat (the\nbig one) <x y> saw  it"];
  const encoded = await encode(texts);
  expect(encoded.map((ids) => Array.from(ids))).toEqual(texts.map(unitsOf));
  expect(calls).toEqual([
    ["the", " cat", " saw", " the", " 2", " cats", "", " (the\n", "big", " one) <x y> saw  it"],
  ]);
  expect((await encode(["the cats saw 2"])).map((ids) => Array.from(ids))).toEqual([
    unitsOf("the cats saw 2"),
  ]);
  expect(calls).toHaveLength(1);
});

test("beyond the limit, words are evicted, and ids stay the same", async () => {
  const { calls, encodeAll } = unitEncoder();
  const encode = rememberWords(cuts, encodeAll, 8);
  for (const text of ["one two", "three four", "one two five", "one two"])
    expect((await encode([text])).map((ids) => Array.from(ids))).toEqual([unitsOf(text)]);
  expect(calls).toEqual([["one", " two"], ["three", " four"], [" five"], ["one", " two"]]);
});

test("two concurrent calls both get the ids of words that are not encoded yet", async () => {
  const { encodeAll } = unitEncoder();
  const encode = rememberWords(cuts, encodeAll);
  const both = await Promise.all([encode(["new words"]), encode(["more new words"])]);
  expect(both.map(([ids]) => Array.from(ids!))).toEqual([unitsOf("new words"), unitsOf("more new words")]);
});
