import { expect, test } from "vitest";
import { openTokenizer } from "../../../src/backend/data/tokenizers/openTokenizer";
import { refuseTokensWithoutRow } from "../../../src/backend/data/tokenizers/vocabularyFit";
import { withBaseTokenizer } from "../../../src/backend/runs/steps/stepData";
import type { RunPlan } from "../../../src/protocol/run";
import { createByteTokenizerJson } from "../../support/byteTokenizer";
import { openIn, temporaryFolder, writeFiles } from "./fixtures";

async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = temporaryFolder();
  await writeFiles(folder, files);
  return folder;
}

test("a tokenizer may have more tokens than rows if they do not occur; one that occurs is refused with its place", async () => {
  const folder = await folderOf({
    "tokenizer.json": createByteTokenizerJson("<|endoftext|>", "[PAD]"),
    "plain.txt": "hello world",
    "padded.txt": "first\n<|endoftext|>\nzwölf [PAD] more",
  });
  const options = { tokenizer: "tokenizer.json", sequence_len: 4, val_fraction: 0 };
  using plain = await openIn(folder, { ...options, text: "plain.txt" });
  refuseTokensWithoutRow(257, (rows) => plain.findToken(rows));
  using padded = await openIn(folder, { ...options, text: "padded.txt" });
  expect(() => {
    refuseTokensWithoutRow(257, (rows) => padded.findToken(rows));
  }).toThrow(
    /\[PAD\] \(id 257\) occurs in document 2 of padded\.txt, from byte 7, but the model has only 257 rows/,
  );
  refuseTokensWithoutRow(258, (rows) => padded.findToken(rows));
});

test("labels are not treated as tokens", async () => {
  const rows = Array.from({ length: 300 }, (_, i) => `t${i}\tc${i}`).join("\n");
  const folder = await folderOf({ "rows.tsv": `text\tlabel\n${rows}\n` });
  using data = await openIn(folder, {
    text: "rows.tsv",
    label_column: "label",
    sequence_len: 8,
    val_fraction: 0.1,
  });
  expect(data.findToken(257)).toBeUndefined();
});

const config = (settings: object) => JSON.stringify(settings);

test.each([
  ["tokenizer_config.json", { "tokenizer_config.json": config({ eos_token: "<b>" }) }, 258],
  ["special_tokens_map.json", { "special_tokens_map.json": config({ eos_token: { content: "<b>" } }) }, 258],
  ["generation_config.json", { "generation_config.json": config({ eos_token_id: [257, 258] }) }, 257],
  ["config.json", { "config.json": config({ eos_token_id: 258 }) }, 258],
  [
    "an old folder, whose map counts before its settings",
    {
      "tokenizer_config.json": config({ eos_token: "<a>" }),
      "special_tokens_map.json": config({ eos_token: "<b>" }),
    },
    258,
  ],
  [
    "a new folder, whose settings count first",
    {
      "tokenizer_config.json": config({ eos_token: "<a>", added_tokens_decoder: {} }),
      "special_tokens_map.json": config({ eos_token: "<b>" }),
      "generation_config.json": config({ eos_token_id: 256 }),
    },
    257,
  ],
])("the end of a document is what %s specifies", async (_, files, end) => {
  const folder = await folderOf({
    "tokenizer.json": createByteTokenizerJson("</s>", "<a>", "<b>"),
    ...files,
  });
  const tokenizer = await openTokenizer(folder, "/");
  expect(tokenizer.endOfText).toBe(end);
  expect(tokenizer.notices).toEqual([]);
  const copy = await folderOf(tokenizer.files as Record<string, string>);
  const again = await openTokenizer(copy, "/");
  expect([again.endOfText, again.hash]).toEqual([end, tokenizer.hash]);
});

test("the end of a document is found by its name only if no file specifies it, with a notice", async () => {
  const folder = await folderOf({ "tokenizer.json": createByteTokenizerJson("<a>", "</s>") });
  const tokenizer = await openTokenizer(folder, "/");
  expect(tokenizer.endOfText).toBe(257);
  expect(tokenizer.notices.join()).toMatch(
    /No file beside tokenizer.json specifies eos_token; documents end with <\/s> \(id 257\)/,
  );
});

test("data without a tokenizer uses that of the base model", () => {
  const plan = { data: { text: "a.txt" } } as unknown as RunPlan;
  expect(withBaseTokenizer(plan, "/model").data).toMatchObject({
    text: "a.txt",
    tokenizer: expect.stringMatching(/model$/) as string,
  });
  expect(withBaseTokenizer(plan, undefined)).toBe(plan);
  const named = { data: { text: "a.txt", tokenizer: "bytes" } } as unknown as RunPlan;
  expect(withBaseTokenizer(named, "/model")).toBe(named);
});
