/** How the recipe of a published training transforms rows before training. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { RowScreen } from "../../../src/backend/data/rowScreen";
import { countCharacters } from "../../../src/backend/data/spaces";
import type { Batch, Split } from "../../../src/backend/data/split";
import { formatDataLines } from "../../../src/backend/data/summaryText";
import type { Tokenizer } from "../../../src/backend/data/tokenizers/tokenizer";
import type { DataOptions } from "../../../src/schema/experiment";
import { recipes } from "../../../src/schema/recipe";
import { failureOf, openIn, sharedFile, temporaryFolder, writeFiles } from "./fixtures";

const END = 256;
const IGNORED = -100;
const paper = recipes.paper.data as Partial<DataOptions>;
const fixed = recipes.fixed.data as Partial<DataOptions>;
const unwanted = recipes.paper.data.drop_rows_containing as string[];

async function open(rows: readonly object[], options: Partial<DataOptions>) {
  const folder = temporaryFolder();
  await writeFiles(folder, { "rows.jsonl": rows.map((row) => JSON.stringify(row)).join("\n") });
  return openIn(folder, { text: "rows.jsonl", ...options });
}

/** The documents of a split, one string each. */
function textsOf(split: Split, tokenizer: Tokenizer): string[] {
  const ids = split.read(0, split.tokens);
  const texts: string[] = [];
  for (let start = 0; start < ids.length;) {
    const end = ids.indexOf(END, start);
    texts.push(tokenizer.decode(ids.subarray(start, end)));
    start = end + 1;
  }
  return texts;
}

describe("the template", () => {
  const pairs = {
    instruction_column: "instruction",
    template: recipes.paper.data.template as string,
    sequence_len: 4,
    val_fraction: 0,
  };

  test("a pair becomes one turn of the user and one of the assistant", async () => {
    const rows = [{ instruction: "Add 1 and 2.", response: "3" }];
    using data = await open(rows, { ...pairs, response_column: "response" });
    expect(textsOf(data.train, data.tokenizer)).toEqual(["<|user|>Add 1 and 2.<|end|><|assistant|>3<|end|>"]);
  });

  test("an input follows its instruction if the template has no place for it", async () => {
    const rows = [
      { instruction: "Add.", input: "1 and {2}", output: "3" },
      { instruction: "Add a.", input: "", output: "a" },
    ];
    using data = await open(rows, { ...pairs, input_column: "input", response_column: "output" });
    expect(textsOf(data.train, data.tokenizer)).toEqual([
      "<|user|>Add.\n\n1 and {2}<|end|><|assistant|>3<|end|>",
      "<|user|>Add a.<|end|><|assistant|>a<|end|>",
    ]);
  });
});

describe("cleaning", () => {
  const screen = (cleaning: DataOptions["clean_rows"]) =>
    new RowScreen({ clean_rows: cleaning, drop_rows_containing: [] });

  test("as published, removes one line end after a marker, and none before one", () => {
    const text = "\x1f <|user|>\n\nHi\n<|end|><|assistant|>\nHo/n<|end|>\n ";
    expect(screen("published").take({ text, end: true })?.text).toBe(
      "<|user|>\nHi\n<|end|><|assistant|>Ho<|end|>",
    );
    expect(screen("mended").take({ text, end: true })?.text).toBe(
      "<|user|>\nHi<|end|><|assistant|>Ho/n<|end|>",
    );
    expect(screen("none").take({ text, end: true })?.text).toBe(text);
  });

  test.each([
    [" <|user|>\nHi\n<|end|><|assistant|>", "\n\nHo\n<|end|> ", "<|user|>Hi"],
    ["<|user|>\n<|assistant|>", "\n", "<|user|><|assistant|>"],
    ["  ", "  a", ""],
  ])(
    "the prompt %j and the response %j give the same text separately and together",
    (prompt, text, start) => {
      for (const cleaning of ["published", "mended"] as const) {
        const whole = screen(cleaning).take({ text: prompt + text, end: true })!.text;
        const parts = screen(cleaning).take({ prompt, text, end: true })!;
        expect(parts.prompt! + parts.text).toBe(whole);
        expect(parts.prompt!.startsWith(start)).toBe(true);
        expect(parts.prompt!.length).toBeLessThanOrEqual(prompt.length);
      }
    },
  );
});

describe("dropped rows", () => {
  /** Rule n matches n + 1 of these, although later rules may match them as well. */
  const refusals = [
    "I am not able to. I cannot.",
    "I am an AI, and I do not know.",
    "No: I do not.",
    "Sorry, I cannot.",
    // eslint-disable-next-line lathe/plain-english -- The published list.
    "It goes against my rules.",
    "That is not my job.",
    "I don't have one.",
  ];
  const rows = [
    { instruction: "Why: I do not.", response: "Well." },
    ...refusals.flatMap((response, i) =>
      Array.from({ length: i + 1 }, () => ({ instruction: "?", response })),
    ),
    ...Array.from({ length: 10 }, (_, i) => ({ instruction: `Add ${i}.`, response: `I am ${i}.` })),
    { instruction: "", response: "" },
  ];
  const options = { ...paper, sequence_len: 16, val_set_size: 2 };

  test("are counted by rule, in order, including instructions, and again from the cache", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "rows.jsonl": rows.map((row) => JSON.stringify(row)).join("\n") });
    // 39 rows have text; the third rule drops "Why: I do not."
    const left = [38, 36, 32, 28, 23, 17, 10];
    for (let time = 0; time < 2; time++) {
      using data = await openIn(folder, { ...options, text: "rows.jsonl" });
      expect(data.summary.rows).toEqual({
        read: 39,
        filters: unwanted.map((text, i) => ({ text, left: left[i] })),
      });
      expect(data.train.documents).toBe(8);
      expect(data.validation!.documents).toBe(2);
      expect(formatDataLines(data.summary)[0]).toBe(
        'Rows: 39 with text; left without "I am not" 38, "I am an AI" 36, "I do not" 32, "I cannot" 28, ' +
          // eslint-disable-next-line lathe/plain-english -- The published list.
          '"t goes against my" 23, "t is not my" 17, "I don\'t have" 10.',
      );
    }
  });

  test("change the hash of the data, and are refused for plain text", async () => {
    using all = await open(rows, { ...options, drop_rows_containing: [] });
    using some = await open(rows, options);
    expect(all.hash).not.toBe(some.hash);
    expect(all.summary.rows).toBeUndefined();
    const folder = temporaryFolder();
    await writeFiles(folder, { "a.txt": "plain" });
    const error = await failureOf(openIn(folder, { text: "a.txt", drop_rows_containing: ["x"] }));
    expect(error.message).toContain("plain text, but rows to clean or to drop");
  });

  test("a validation split of all documents is refused", async () => {
    const error = await failureOf(open(rows, { ...options, val_set_size: 10 }));
    expect(error.message).toContain(
      "data.val_set_size 10 leaves nothing to train on: there are 10 documents",
    );
  });
});

function row(batch: Batch, values: Int32Array, at = 0): number[] {
  return [...values.subarray(at * batch.length, (at + 1) * batch.length)];
}

describe("packing by characters", () => {
  // Each document has 7 characters and a marker of 13, so it counts as 20.
  const documents = ["aaaaaaa", "bbbbbbb", "ccccccc", "ddddddd", "eeeeeee"];
  const strategy = { packing_strategy: "characters", val_fraction: 0 } as const;
  const [a, b, c, d] = Buffer.from("abcd");
  const texts = (list: readonly string[]) => list.map((text) => ({ text }));
  const times = (count: number, id: number) => Array.from({ length: count }, () => id);

  test("joins documents until they have enough characters, truncates at the context and drops the tail", async () => {
    // 10 tokens of 4 characters are 40: two documents per sequence, and 10 of their 16 tokens fit.
    using data = await open(texts(documents), { ...strategy, sequence_len: 10, characters_per_token: 4 });
    expect(data.train.sequences).toBe(2);
    const batch = data.train.batch([0, 1]);
    expect(row(batch, batch.tokens)).toEqual([...times(7, a!), END, b, b]);
    expect(row(batch, batch.labels)).toEqual([...times(6, a!), END, b, b, IGNORED]);
    expect(row(batch, batch.tokens, 1)).toEqual([...times(7, c!), END, d, d]);
    expect(batch.segments).toBeUndefined();
  });

  test("pads short sequences, and counts padding only on request", async () => {
    const short = { ...strategy, sequence_len: 29, characters_per_token: 40 / 29 };
    const tokens = [...times(7, a!), END, ...times(7, b!), END, ...times(13, END)];
    using silent = await open(texts(documents), short);
    const ignored = silent.train.batch([0]);
    expect(row(ignored, ignored.tokens)).toEqual(tokens);
    expect(row(ignored, ignored.labels)).toEqual([...tokens.slice(1, 16), ...times(14, IGNORED)]);
    using counted = await open(texts(documents), { ...short, train_on_padding: true });
    const labelled = counted.train.batch([0]);
    expect(row(labelled, labelled.tokens)).toEqual(tokens);
    // The labels are the inputs shifted by one; nothing follows the last position.
    expect(row(labelled, labelled.labels)).toEqual([...tokens.slice(1), IGNORED]);
  });

  test("leaves out documents that would fill a sequence alone, and reports them", async () => {
    const list = ["a".repeat(40), documents[1]!, "c".repeat(39), "d".repeat(41), documents[4]!];
    using data = await open(texts(list), { ...strategy, sequence_len: 10, characters_per_token: 4 });
    const batch = data.train.batch([0]);
    expect(data.train.sequences).toBe(1);
    expect(data.tokenizer.decode(batch.tokens)).toBe("bbbbbbbcc");
    expect(data.notices.join()).toContain(
      "2 of 5 documents to train on are left out of packing by characters",
    );
  });

  test("counts characters as Python does, not UTF-16 units", async () => {
    expect(countCharacters("a𝒜é😀")).toBe(4);
    const emoji = { ...strategy, sequence_len: 8, characters_per_token: 5 };
    using data = await open(texts(["😀".repeat(27), "x"]), emoji);
    expect(data.train.tooLong).toBe(0);
    expect(data.train.sequences).toBe(1);
  });

  test("drawn documents are packed in their order, including repeated ones", async () => {
    using data = await open(texts(documents), { ...strategy, sequence_len: 20, characters_per_token: 2 });
    const packed = data.train.pack(Uint32Array.of(4, 4, 0, 3, 1));
    expect(packed.sequences).toBe(2);
    const batch = data.train.batch([0, 1, -1], packed);
    const text = (at: number) => data.tokenizer.decode(row(batch, batch.tokens, at));
    expect([text(0), text(1), text(2)]).toEqual(["eeeeeeeeeeeeee", "aaaaaaaddddddd", ""]);
  });

  test("a document mask separates documents here too", async () => {
    const options = { ...strategy, sequence_len: 10, characters_per_token: 4, document_mask: true };
    using data = await open(texts(documents), options);
    const batch = data.train.batch([0]);
    expect(row(batch, batch.segments!)).toEqual([...times(8, 1), 2, 2]);
    expect(row(batch, batch.positions!)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 1]);
    expect(batch.labels[7]).toBe(IGNORED);
  });

  test("an error about too little text for one sequence counts characters", async () => {
    const error = await failureOf(open(texts(["ab"]), { ...strategy, sequence_len: 10 }));
    expect(error.message).toContain("takes documents below 50 characters that have as many together");
  });
});

test.each([{}, { document_mask: true }, { packing: false }])(
  "packing drawn documents by tokens equals packing a split in that order, with %j",
  async (more) => {
    const list = ["ab", "cdefg", "h", "ijklmnop", ""];
    const order = [3, 0, 3, 1, 2, 1];
    const texts = (chosen: readonly string[]) => chosen.map((text) => ({ text: `${text}.` }));
    const options = { sequence_len: 5, val_fraction: 0, ...more };
    using drawn = await open(texts(list), options);
    using written = await open(texts(order.map((i) => list[i]!)), options);
    const packed = drawn.train.pack(Uint32Array.from(order));
    expect(packed.sequences).toBe(written.train.sequences);
    const all = Array.from({ length: packed.sequences }, (_, i) => i);
    expect(drawn.train.batch(all, packed)).toEqual(written.train.batch(all));
  },
);

test("the fixed recipe has labels only on responses, in full sequences with separate documents", async () => {
  const rows = [
    { instruction: "Hi?", response: "Ho." },
    { instruction: "A?", response: "B." },
    { instruction: "C?", response: "D." },
  ];
  using data = await open(rows, { ...fixed, sequence_len: 60, val_set_size: undefined, val_fraction: 0 });
  const batch = data.train.batch([0]);
  const counted = [...batch.labels].filter((label) => label !== IGNORED);
  expect(data.tokenizer.decode(counted)).toMatch(/^(Ho|B|D)\.<\|end\|>(Ho|B|D)?\.?/);
  expect(new Set(batch.segments)).toEqual(new Set([1, 2]));
});

test("the recipe gives the same for Alpaca as a few plain lines of code", async (context) => {
  const file = sharedFile(context, "alpaca", "alpaca_data.json.gz");
  const folder = temporaryFolder();
  using data = await openIn(folder, {
    ...paper,
    text: path.relative(folder, file),
    input_column: "input",
    response_column: "output",
    max_bytes: 3_000_000,
    sequence_len: 256,
    val_set_size: 500,
  });
  const { rows, train, validation } = data.summary;
  const all = JSON.parse(gunzipSync(readFileSync(file)).toString("utf8")) as Record<string, string>[];
  let left = all.slice(0, rows!.read).map(({ instruction, input, output }) => {
    const asked = input === "" ? instruction! : `${instruction!}\n\n${input!}`;
    return `<|user|>${asked}<|end|><|assistant|>${output!}<|end|>`.replaceAll("|>\n", "|>");
  });
  expect(left.length).toBeGreaterThan(5000);
  for (const { text, left: counted } of rows!.filters) {
    left = left.filter((each) => !each.includes(text));
    expect([text, counted]).toEqual([text, left.length]);
  }
  expect(validation!.documents).toBe(500);
  // The last row is truncated where the bytes end, but it still counts.
  expect(train.documents + 500).toBe(left.length);
  const sequences = (split: Split): number => {
    let packed = 0;
    let characters = 0;
    for (const text of textsOf(split, data.tokenizer)) {
      if (Array.from(text).length >= 256 * 5) continue;
      characters += Array.from(text).length + "<|endoftext|>".length;
      if (characters >= 256 * 5) [packed, characters] = [packed + 1, 0];
    }
    return packed;
  };
  expect(data.validation!.sequences).toBe(sequences(data.validation!));
  expect(data.train.sequences).toBe(sequences(data.train));
});
