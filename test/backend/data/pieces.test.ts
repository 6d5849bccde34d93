import { expect, test, type TestContext } from "vitest";
import { readFileSync } from "node:fs";
import { readPlainDocuments } from "../../../src/backend/data/formats/plainText";
import { type Fragment, type Piece, splitPieces } from "../../../src/backend/data/pieces";
import { countText } from "../../../src/backend/data/spaces";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { openTokenizer } from "../../../src/backend/data/tokenizers/openTokenizer";
import { cutAnywhere, type CutRule } from "../../../src/backend/data/tokenizers/cutRule";
import { sharedFile } from "./fixtures";

async function* inParts(text: string, size: number): AsyncGenerator<string> {
  for (let i = 0; i < text.length; i += size) yield text.slice(i, i + size);
}

async function documentsOf(text: string, size: number): Promise<string[]> {
  const documents: string[] = [];
  let open = "";
  for await (const { text: part, end } of readPlainDocuments(inParts(text, size))) {
    open += part;
    if (!end) continue;
    documents.push(open);
    open = "";
  }
  expect(open).toBe("");
  return documents;
}

async function cut(text: string, size: number, cuts: CutRule | undefined, target: number): Promise<Piece[]> {
  async function* fragments(): AsyncGenerator<Fragment> {
    for await (const part of inParts(text, size)) yield { text: part, end: false };
    yield { text: "", end: true };
  }
  const pieces: Piece[] = [];
  for await (const piece of splitPieces(fragments(), cuts, target)) pieces.push(piece);
  return pieces;
}

test("a line with the end-of-text marker separates documents, however the text is chunked", async () => {
  const text =
    "one\ntwo\n<|endoftext|>\nthree <|endoftext|> inside\n<|endoftext|>\r\n\nfour 🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉\r\n<|endoftext|>\n<|endoftext|>x\n<|endoftext|>";
  const expected = [
    "one\ntwo",
    "three <|endoftext|> inside",
    "\nfour 🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉",
    "<|endoftext|>x",
  ];
  for (let size = 1; size <= text.length; size++) expect(await documentsOf(text, size)).toEqual(expected);
});

test("a file without a marker is one document, including blank lines at its end", async () => {
  for (const size of [1, 7, 100]) expect(await documentsOf("a\n\nb\n\n", size)).toEqual(["a\n\nb\n\n"]);
  expect(await documentsOf(" \n", 10)).toEqual([]);
});

test("pieces depend only on the text, join to the text, and end at the end of a word", async () => {
  const text = "The quick  brown fox\njumps over\n\nthe lazy dog. ".repeat(40);
  const whole = await cut(text, text.length, cutAnywhere, 64);
  expect(whole.length).toBeGreaterThan(20);
  expect(whole.map((piece) => piece.text).join("")).toBe(text);
  expect(whole.map((piece) => piece.end).indexOf(true)).toBe(whole.length - 1);
  for (const size of [1, 13, 64, 65, 1000]) expect(await cut(text, size, cutAnywhere, 64)).toEqual(whole);
  const sum = whole.reduce((words, piece) => words + countText(piece.text).words, 0);
  expect(sum).toBe(countText(text).words);
});

test("a text without spaces is cut between two characters, never inside one", async () => {
  const text = "🎉".repeat(100_000);
  const pieces = await cut(text, 50_000, cutAnywhere, 256);
  expect(pieces.length).toBeGreaterThan(2);
  const tokenizer = createBytesTokenizer();
  const ids = await tokenizer.encodeAll(pieces.map((piece) => piece.text));
  expect(ids.map((each) => tokenizer.decode(each)).join("")).toBe(text);
});

test("words, lines and bytes are counted according to Unicode", async () => {
  expect(countText(" a b\u00a0ç\u3000東京 \n\nd\n")).toEqual({ words: 5, lines: 3, bytes: 22 });
});

async function assertSameIds(context: TestContext, names: string[], text: string): Promise<void> {
  const tokenizer = await openTokenizer(sharedFile(context, ...names), "/");
  const ids: number[] = [];
  let dropped = 0;
  for (const piece of await cut(text, 999, tokenizer.cuts, 256)) {
    ids.push(...(await tokenizer.encode(piece.text)));
    dropped += piece.dropped;
  }
  expect(Int32Array.from(ids)).toEqual(await tokenizer.encode(text));
  expect(dropped > 0).toBe(tokenizer.cuts?.space === "dropped");
}

test("tokenizing with GPT-2 piece by piece gives the ids of the whole text", async (context) => {
  const text = readFileSync("node_modules/typescript/lib/lib.es5.d.ts", "utf8").slice(0, 50_000);
  await assertSameIds(context, ["gpt2-bpe", "tokenizer.json"], text);
});

test("tokenizing with SentencePiece piece by piece gives the ids of the whole text", async (context) => {
  const text = readFileSync(sharedFile(context, "tinystories", "tinystories_sample.txt"), "utf8").slice(
    0,
    80_000,
  );
  await assertSameIds(context, ["stories260k", "tok512.bin"], text);
  await assertSameIds(context, ["llama-spm", "tokenizer.bin"], text);
});
