/** Rows as real files contain them: line ends, quoting, encodings, compression, missing values and filters. */
import { readFileSync } from "node:fs";
import { columnFromArray, int64, tableFromColumns, tableToIPC, utf8 } from "@uwdata/flechette";
import { describe, expect, test } from "vitest";
import type { DataOptions } from "../../../src/schema/experiment";
import { failureOf, openIn, readDocuments, temporaryFolder, writeFiles } from "./fixtures";

type Files = Readonly<Record<string, string | Uint8Array>>;

async function refusal(files: Files, options: Partial<DataOptions> = {}): Promise<string> {
  const folder = temporaryFolder();
  await writeFiles(folder, files);
  const error = await failureOf(
    openIn(folder, { text: "*.*", sequence_len: 2, val_fraction: 0, ...options }),
  );
  expect(error.code).toBe("invalid-input");
  return error.message;
}

const compressed = JSON.parse(readFileSync("test/fixtures/data/compressed.json", "utf8")) as Record<
  string,
  string
>;
const fixture = (name: string) => Buffer.from(compressed[name]!, "base64");
/** The texts of scripts/reference/compressedRows.py, without the missing one. */
const longTexts = [
  "first",
  "zweitens: Größe 東京",
  ...Array.from({ length: 400 }, (_, i) => `row ${i} ${"again and ".repeat(40)}`),
];

describe("line ends", () => {
  test.each(["rows.csv", "rows.tsv"])("%s may mix all three kinds", async (name) => {
    expect((await readDocuments({ [name]: "text\r\nhello\nworld\ragain\r\n\n" })).documents).toEqual([
      "hello",
      "world",
      "again",
    ]);
  });

  test("a lone carriage return ends a JSON row as well", async () => {
    const rows = ["a", "b", "c"].map((text) => JSON.stringify({ text }));
    expect((await readDocuments({ "a.jsonl": `${rows[0]}\r${rows[1]}\r\n${rows[2]}` })).documents).toEqual([
      "a",
      "b",
      "c",
    ]);
  });
});

describe("malformed rows", () => {
  test.each<[string, string, Partial<DataOptions>, string[], string[]]>([
    ["a.csv", 'text,id\na 5" disk,1\nfine,2\n', {}, ["a.csv", "line 2", "quotation mark"], ["fine"]],
    ["a.csv", 'text,id\n"a"b,1\nfine,2\n', {}, ["line 2", "follows the closing"], ["fine"]],
    ["a.csv", "text,id\nshort\nfine,2\n", {}, ["line 2", "1 field where the first record has 2"], ["fine"]],
    ["a.csv", "text,id\nlong,1,2\nfine,2\n", {}, ["line 2", "3 fields"], ["fine"]],
    [
      "a.csv",
      'text,id\n"x\ny",1\nfine,2\n"never closed,3\nlast,4',
      {},
      ["line 5", "never closed"],
      ["x\ny", "fine", "last"],
    ],
    ["a.tsv", "text\tid\nshort\nfine\t2\n", {}, ["is not TSV", "line 2"], ["fine"]],
    ["a.jsonl", '{"text": "fine"}\n{"text": }\n[1]\n', {}, ["a.jsonl:2 is not JSON"], ["fine"]],
    ["a.jsonl", '{"text": "fine"}\n\u2028\n', {}, ["a.jsonl:2 is not JSON"], ["fine"]],
    ["a.json", '[{"text": "fine"}, {"text": x}]', {}, ["a.json:1 is not JSON"], ["fine"]],
  ])("%s %j is refused, and skipped on request", async (name, content, options, messages, left) => {
    const message = await refusal({ [name]: content }, options);
    for (const part of messages) expect(message).toContain(part);
    const { documents, notices } = await readDocuments(
      { [name]: content },
      { ...options, on_bad_rows: "skip" },
    );
    expect(documents).toEqual(left);
    expect(notices.join()).toMatch(/Skipped \d malformed rows? of a\./);
  });

  test.each<[string, Files, Partial<DataOptions>, string]>([
    ["another delimiter", { "a.csv": "id;text\n1;x" }, {}, "set data.delimiter"],
    ["a duplicate column", { "a.csv": "text,text\n1,x" }, {}, "2 columns named"],
    ["quoted fields of TSV", { "a.tsv": 'text\tid\n"a ""b"""\t1\n' }, {}, "Set data.quoting to none"],
    ["a trailing comma", { "a.json": '[{"text": "x"},]' }, {}, "a.json:1"],
    ["an unknown encoding", { "a.txt": "x" }, { encoding: "latin-9x" }, 'data.encoding "latin-9x"'],
    ["a key without any rows", { "a.jsonl": '{"a": 1}\n{"b": 2}' }, {}, 'no column "text"'],
    ["NaN in a used column", { "a.jsonl": '{"text": NaN}' }, {}, "holds a number (NaN)"],
  ])("%s is refused", async (_, files, options, message) => {
    expect(await refusal(files, options)).toContain(message);
  });

  test("an encoding error is reported with its position, across chunks", async () => {
    const start = `${"é".repeat(200_000)}\nline`;
    const message = await refusal({
      "a.txt": Buffer.concat([Buffer.from(start), Buffer.from([0xe9, 0x20])]),
    });
    expect(message).toContain(`not valid UTF-8 at position ${Buffer.byteLength(start)} (line 2)`);
    expect(message).toContain("data.encoding");
  });
});

describe("file formats", () => {
  test("`quoting: none` reads a whole TSV of GLUE, `standard` reads quoted fields", async () => {
    const glue = 'id\ttext\n1\t"Open\n2\t"whole"\n3\tin"side\n';
    expect((await readDocuments({ "a.tsv": glue }, { quoting: "none" })).documents).toEqual([
      '"Open',
      '"whole"',
      'in"side',
    ]);
    const quoted = 'id\ttext\n1\t"a\tb\nc"\n';
    expect((await readDocuments({ "a.tsv": quoted }, { quoting: "standard" })).documents).toEqual([
      "a\tb\nc",
    ]);
  });

  test("supports a delimiter and a name like __proto__", async () => {
    const options = { delimiter: ";", text_column: "__proto__" };
    expect((await readDocuments({ "a.csv": "id;__proto__\n1;x,y\n" }, options)).documents).toEqual(["x,y"]);
  });

  test.each<[string, Buffer, string | undefined]>([
    ["UTF-8 with a mark", Buffer.from("\ufefftext\nGröße"), undefined],
    ["UTF-16 with a mark", Buffer.from("\ufefftext\nGröße", "utf16le"), undefined],
    ["big-endian UTF-16 with a mark", Buffer.from("\ufefftext\nGröße", "utf16le").swap16(), undefined],
    ["a mark that overrides the option", Buffer.from("\ufefftext\nGröße", "utf16le"), "windows-1252"],
    ["Latin-1 by its name", Buffer.from("text\nGröße", "latin1"), "latin1"],
  ])("%s is decoded", async (_, content, encoding) => {
    expect((await readDocuments({ "a.csv": content }, { encoding })).documents).toEqual(["Größe"]);
  });

  test.each(["rows.jsonl.zst", "frames.jsonl.zst"])("%s is decompressed", async (name) => {
    expect((await readDocuments({ [name]: fixture(name) })).documents).toEqual(longTexts);
    expect(await refusal({ [name]: fixture(name).subarray(0, -9) })).toContain(
      "not an intact Zstandard file",
    );
  });

  test("a Zstandard file with a huge window is refused", async () => {
    expect(await refusal({ "a.jsonl.zst": fixture("window.jsonl.zst") })).toContain(
      "window of 1073741824 bytes",
    );
    expect(await refusal({ "a.jsonl.zst": "plain" })).toContain("not an intact Zstandard file");
  });

  test.each(["stream-lz4.arrow", "stream-zstd.arrow", "file-lz4.arrow"])("%s is read", async (name) => {
    expect((await readDocuments({ [name]: fixture(name) })).documents).toEqual(longTexts);
    const { documents } = await readDocuments(
      { [name]: fixture(name) },
      { where: "kind == b and id < 6", text_column: "kind" },
    );
    expect(documents).toEqual(["b", "b", "b"]);
    expect(await refusal({ [name]: fixture(name).subarray(0, 700) })).toContain("not a readable Arrow file");
    expect(await refusal({ [name]: fixture(name) }, { text_column: "body" })).toContain('"id", "text"');
  });

  test.each(["file", "stream"] as const)("an Arrow %s written in JavaScript is read", async (format) => {
    const table = tableFromColumns({
      text: columnFromArray(["a", null, "Größe"], utf8()),
      id: columnFromArray([1n, 2n, 3n], int64()),
    });
    const bytes = tableToIPC(table, { format })!;
    expect((await readDocuments({ "a.arrow": bytes })).documents).toEqual(["a", "Größe"]);
    expect((await readDocuments({ "a.arrow": bytes }, { where: "id != 1" })).documents).toEqual(["Größe"]);
  });
});

describe("values and conditions", () => {
  test("a missing key is null, and NaN in unused columns is accepted", async () => {
    const rows = '{"text": "a", "n": NaN}\n{"n": -Infinity}\n{"text": "has NaN", "n": {"x": [Infinity]}}\n';
    expect((await readDocuments({ "a.jsonl": rows })).documents).toEqual(["a", "has NaN"]);
  });

  test("a missing input of an instruction pair counts as empty", async () => {
    const rows = [
      { instruction: "Add", input: "1", output: "2" },
      { instruction: "Say", output: "hi" },
    ];
    const options = { instruction_column: "instruction", input_column: "input", response_column: "output" };
    const template = "{instruction}\n\n({input})\n\n{response}";
    const file = { "a.jsonl": rows.map((row) => JSON.stringify(row)).join("\n") };
    expect((await readDocuments(file, { ...options, template })).documents).toEqual([
      "Add\n\n(1)\n\n2",
      "Say\n\nhi",
    ]);
  });

  const csv = 'text,label,"the lang",score\na,-1,en,0.5\nb,1,en,\nc,1,de,2\n';
  test.each<[string, string[]]>([
    ["label != -1", ["b", "c"]],
    ["label = 1 and 'the lang' == en", ["b"]],
    ['"the lang"!="en"', ["c"]],
    ["score >= 0.5", ["a", "c"]],
    ["score<1 and score>0", ["a"]],
    ['score == ""', ["b"]],
  ])("where: %s", async (where, left) => {
    const { documents, notices } = await readDocuments({ "a.csv": csv }, { where });
    expect(documents).toEqual(left);
    expect(notices).toContain(
      `Left out ${3 - left.length} row${left.length === 2 ? "" : "s"} of a.csv by data.where.`,
    );
  });

  test("JSON's null, NaN and Boolean values", async () => {
    const rows = '{"text": "a", "x": null}\n{"text": "b", "x": true}\n{"text": "c", "x": NaN}\n{"text": "d"}';
    const texts = async (where: string) => (await readDocuments({ "a.jsonl": rows }, { where })).documents;
    expect(await texts("x == null")).toEqual(["a", "c", "d"]);
    expect(await texts("x != null")).toEqual(["b"]);
    expect(await texts("x == true")).toEqual(["b"]);
  });

  test.each([
    ["label", "a comparison is a column"],
    ["label ~ 1", "not an operator"],
    ["label == 1 or label == 2", 'only "and" can'],
    ["process.exit(1)", "a comparison is a column"],
    ["text < b", "is not a number"],
    ['label == "open', "cannot be read"],
    ["text > 1", "compares the column"],
    ["lable == 1", 'no column "lable"'],
  ])("where: %s is refused", async (where, message) => {
    expect(await refusal({ "a.csv": csv }, { where })).toContain(message);
  });

  test("rows without a gold label are dropped and counted, unless the value is a class", async () => {
    const rows = ["x,-1", "a,0", "b,1", "c,-1", "d,1", "e,0"];
    const file = { "a.csv": `text,label\n${rows.join("\n")}\n`, "b.csv": "text,label\ny,-1\n" };
    const options = { text: "a.csv", label_column: "label" };
    const { summary, notices } = await readDocuments(file, { ...options, test_text: "b.csv" });
    expect(summary.classification?.labels).toEqual(["0", "1"]);
    expect(summary.classification?.train).toMatchObject({ classes: [2, 2], unlabelled: 2 });
    expect(summary.test).toBeUndefined();
    expect(notices.join()).toContain("2 rows of the train split have no gold label (-1)");
    expect(notices.join()).toContain("No row of the test split has a gold label");
    const named = await readDocuments(file, { ...options, labels: ["-1", "0", "1"] });
    expect(named.summary.classification?.train.classes).toEqual([2, 2, 2]);
    const snli = { "a.csv": "text,label\nx,-\na,yes\nb,no\n" };
    expect(
      (await readDocuments(snli, { ...options, no_label: ["-"] })).summary.classification?.train.unlabelled,
    ).toBe(1);
  });
});

describe("sequences without a label that counts", () => {
  const pairs = {
    instruction_column: "q",
    response_column: "a",
    template: "{instruction}{response}",
    train_on_inputs: false,
    packing: false,
    val_fraction: 0,
    sequence_len: 8,
  };
  const rows = [
    { q: "0123456789abcdefghij", a: "yes" },
    { q: "short", a: "no" },
  ];
  const file = { "a.jsonl": rows.map((row) => JSON.stringify(row)).join("\n") };

  async function labelsOf(
    options: Partial<DataOptions>,
  ): Promise<{ texts: string[]; notices: readonly string[] }> {
    const folder = temporaryFolder();
    await writeFiles(folder, file);
    using data = await openIn(folder, { text: "a.jsonl", ...pairs, ...options });
    const texts: string[] = [];
    for (const { labels } of data.train.batches(1)) {
      const counted = [...labels].filter((label) => label >= 0 && label < 256);
      texts.push(Buffer.from(counted).toString());
    }
    return { texts, notices: data.notices };
  }

  test("are skipped and reported", async () => {
    // 24 tokens in sequences of 8: only the last contains an answer.
    const { texts, notices } = await labelsOf({});
    expect(texts).toEqual(["yes", "no"]);
    expect(notices.join()).toContain("2 of 4 training sequences have no label that counts");
  });

  test.each([{ packing: true }, { packing: true, document_mask: true }])(
    "are skipped in packing: %j",
    async (options) => {
      const { texts } = await labelsOf(options);
      expect(texts.every((text) => text !== "")).toBe(true);
      expect(texts.join("")).toContain("yes");
    },
  );

  test("get shorter prompts on request, truncated on the left", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, file);
    using data = await openIn(folder, { text: "a.jsonl", ...pairs, truncate_prompt: true });
    const { tokens } = data.train.batch([0]);
    expect(Buffer.from(tokens).toString()).toBe("fghijyes");
    expect(data.train.sequences).toBe(2);
    expect(data.notices.join()).toContain("1 prompts of a.jsonl");
  });

  test("cannot be shortened if prompts have labels", async () => {
    const options = { ...pairs, train_on_inputs: true, truncate_prompt: true };
    expect(await refusal(file, options)).toContain("data.truncate_prompt");
  });
});
