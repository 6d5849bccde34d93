import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openTokenizer } from "../../../src/backend/data/tokenizers/openTokenizer";
import { temporaryFolder, writeFiles } from "./fixtures";

/** Ids of SentencePiece, and of a published tokenizer.json with `legacy: false`: scripts/reference/legacySpaces.py. */
const { model, cases } = JSON.parse(readFileSync("test/fixtures/legacySpaces.json", "utf8")) as {
  readonly model: string;
  readonly cases: readonly {
    readonly text: string;
    readonly legacy: readonly number[];
    readonly current: readonly number[];
  }[];
};

test.each([
  ["legacy", true],
  ["legacy", undefined],
  ["current", false],
] as const)("spaces at the start of a text give the %s ids with legacy: %s", async (kind, legacy) => {
  const folder = temporaryFolder();
  await writeFiles(folder, {
    "tokenizer.model": Buffer.from(model, "base64"),
    "tokenizer_config.json": JSON.stringify({ legacy }),
  });
  const tokenizer = await openTokenizer(folder, "/");
  const texts = cases.map(({ text }) => text);
  const encoded = await tokenizer.encodeAll(texts);
  expect(encoded.map((ids, i) => [texts[i], Array.from(ids)])).toEqual(
    cases.map((each) => [each.text, each[kind]]),
  );
});
