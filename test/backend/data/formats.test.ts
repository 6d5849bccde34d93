import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, test } from "vitest";
import type { DataSet } from "../../../src/backend/data/dataSet";
import type { DataOptions } from "../../../src/schema/experiment";
import { failureOf, openIn, sharedFile, temporaryFolder, writeFiles } from "./fixtures";

const small = { sequence_len: 4, val_fraction: 0 };

/** The documents of a data set, from its ids. */
function documentsOf(data: DataSet): string[] {
  const documents: string[] = [];
  let open: number[] = [];
  for (const id of data.train.read(0, data.train.tokens)) {
    if (id !== data.tokenizer.endOfText) open.push(id);
    else {
      documents.push(data.tokenizer.decode(open));
      open = [];
    }
  }
  expect(open).toEqual([]);
  return documents;
}

async function documentsIn(
  files: Readonly<Record<string, string | Uint8Array>>,
  options: Partial<DataOptions> = {},
): Promise<string[]> {
  const folder = temporaryFolder();
  await writeFiles(folder, files);
  using data = await openIn(folder, { text: "*.*", ...small, ...options });
  return documentsOf(data);
}

async function refusal(
  files: Readonly<Record<string, string | Uint8Array>>,
  options: Partial<DataOptions> = {},
): Promise<string> {
  const folder = temporaryFolder();
  await writeFiles(folder, files);
  const error = await failureOf(openIn(folder, { text: "*.*", ...small, ...options }));
  expect(error.code).toBe("invalid-input");
  return error.message;
}

const texts = ['The first,\nwith "quotes"\tand a tab', "zweitens: Größe 東京 🎉", "third\\"];
const jsonl = texts.map((text) => JSON.stringify({ id: 7, text })).join("\n");
const csv = ["id,text", ...texts.map((text) => `7,"${text.replaceAll('"', '""')}"`)].join("\r\n");

function parquet(
  options: { codec?: "SNAPPY" | "GZIP" | "UNCOMPRESSED"; rowGroupSize?: number } = {},
): Uint8Array {
  const gzip = { GZIP: (input: Uint8Array) => new Uint8Array(gzipSync(input)) };
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: "id", data: [1, 2, 3], type: "INT32" },
        { name: "text", data: texts, type: "STRING" },
      ],
      ...options,
      ...(options.codec === "GZIP" ? { compressors: gzip } : {}),
    }),
  );
}

describe("each format gives the same documents", () => {
  test.each<[string, string | Uint8Array]>([
    ["data.jsonl", jsonl],
    ["data.ndjson", jsonl + "\n\n"],
    ["data.json", `[\n${jsonl.replaceAll("\n", ",\n")}\n]\n`],
    ["lines.json", jsonl],
    [
      "pretty.json",
      JSON.stringify(
        texts.map((text) => ({ a: [{ b: "}]\\" }], text })),
        undefined,
        3,
      ),
    ],
    ["data.csv", csv],
    ["bom.csv", "\ufeff" + csv.replace("id,text", "text,id").replaceAll(/^7,(".*?")$/gms, "$1,7")],
    ["data.parquet", parquet()],
    ["groups.parquet", parquet({ rowGroupSize: 2, codec: "UNCOMPRESSED" })],
    ["zipped.parquet", parquet({ codec: "GZIP" })],
  ])("%s, plain and gzipped", async (name, content) => {
    expect(await documentsIn({ [name]: content })).toEqual(texts);
    expect(await documentsIn({ [`${name}.gz`]: gzipSync(content) })).toEqual(texts);
  });

  test("text files are one document each, in the order of their paths", async () => {
    const files = { "b.txt": "second", "a.txt": "first", "c/d.txt.gz": gzipSync("third"), "e.png": "no" };
    expect(await documentsIn(files, { text: ["**/*.txt", "c/*", "b.txt"] })).toEqual([
      "first",
      "second",
      "third",
    ]);
  });

  test("a TSV is split only at tabs, and its columns are numbered without a header", async () => {
    const tsv = 'ham\tHe read "no\nspam\t"win" now\n';
    expect(await documentsIn({ "sms.tsv": tsv }, { header: false, text_column: "2" })).toEqual([
      'He read "no',
      '"win" now',
    ]);
  });

  test("`format` overrides the file extension", async () => {
    expect(await documentsIn({ "rows.txt": jsonl }, { format: "jsonl" })).toEqual(texts);
  });

  test("rows without text are left out", async () => {
    expect(await documentsIn({ "rows.jsonl": '{"text": ""}\n{"text": null}\n{"text": "here"}' })).toEqual([
      "here",
    ]);
  });
});

describe("instruction pairs", () => {
  const rows = [
    { instruction: "Add {input}", input: "1 and 2", output: "3" },
    { instruction: "Greet", input: "", output: "Hi {response}" },
  ];
  const pairs = {
    instruction_column: "instruction",
    input_column: "input",
    response_column: "output",
  };

  test("the template leaves out the input paragraph if a row has no input", async () => {
    const file = { "pairs.json": JSON.stringify(rows) };
    expect(await documentsIn(file, pairs)).toEqual([
      "### Instruction:\nAdd {input}\n\n### Input:\n1 and 2\n\n### Response:\n3",
      "### Instruction:\nGreet\n\n### Response:\nHi {response}",
    ]);
    const template = "Q: {instruction} ({input})\nA: {response}\n";
    expect(await documentsIn(file, { ...pairs, template })).toEqual([
      "Q: Add {input} (1 and 2)\nA: 3\n",
      "Q: Greet ()\nA: Hi {response}\n",
    ]);
  });

  test("without train_on_inputs, only the response and the end of text have labels", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "pairs.json": JSON.stringify(rows) });
    const template = "{instruction}?{input}={response}!";
    using data = await openIn(folder, {
      ...pairs,
      template,
      text: "pairs.json",
      val_fraction: 0,
      packing: false,
      sequence_len: 40,
      train_on_inputs: false,
    });
    const batch = data.train.batch([0, 1]);
    const counted = [0, 1].map((row) => {
      const labels = [...batch.labels.subarray(row * 40, (row + 1) * 40)];
      return labels.filter((label) => label !== -100);
    });
    const encoded = (text: string) => [...Buffer.from(text), 256];
    expect(counted).toEqual([encoded("3!"), encoded("Hi {response}!")]);
    // The last token of the prompt is the first one with a label.
    const first = [...batch.labels.subarray(0, 40)].findIndex((label) => label !== -100);
    expect(batch.tokens[first]).toBe("=".charCodeAt(0));
  });

  test.each<[string, Partial<DataOptions>, string]>([
    ["no response column", { instruction_column: "instruction" }, "response_column is missing"],
    ["masking without pairs", { train_on_inputs: false }, "data.instruction_column"],
    ["a template without a response", { ...pairs, template: "{instruction}" }, "{response} exactly once"],
    ["a missing column", { ...pairs, response_column: "answer" }, '"instruction", "input", "output"'],
  ])("%s is refused", async (_, options, message) => {
    expect(await refusal({ "pairs.json": JSON.stringify(rows) }, options)).toContain(message);
  });

  test("instruction pairs in plain text are refused", async () => {
    expect(await refusal({ "a.txt": "text" }, pairs)).toContain("plain text");
  });
});

describe("errors of unreadable files name the file and the problem", () => {
  test.each<[string, Record<string, string | Uint8Array>, string[]]>([
    ["a NUL byte", { "a.txt": "ok\0no" }, ["a.txt is not text", "NUL byte at position 2"]],
    ["a gzip file without its ending", { "a.txt": gzipSync("x") }, ["It looks gzipped"]],
    ["UTF-16 without its mark", { "a.txt": Buffer.from("hello", "utf16le") }, ["UTF-16", "data.encoding"]],
    ["Latin-1", { "a.txt": Buffer.from("Größe", "latin1") }, ["a.txt is not text", "not valid UTF-8"]],
    ["half a character at the end", { "a.txt": Buffer.from([65, 0xc3]) }, ["ends inside a UTF-8 character"]],
    [
      "a cut gzip file",
      { "a.txt.gz": gzipSync("hello world").subarray(0, 20) },
      ["a.txt.gz is not an intact gzip"],
    ],
    ["text named gzip", { "a.txt.gz": "plain" }, ["not an intact gzip"]],
    ["broken JSON Lines", { "a.jsonl": '{"text": "x"}\n{"text": ' }, ["a.jsonl:2 is not JSON"]],
    ["rows that are not objects", { "a.jsonl": '"just a string"' }, ["a.jsonl:1", "JSON object"]],
    ["numbers in an array", { "a.json": "[1, 2]" }, ["a.json:1", "JSON object"]],
    ["a cut array", { "a.json": '[{"text": "x"},\n{"te' }, ["object that begins in line 2"]],
    ["an unclosed array", { "a.json": '[{"text": "x"}' }, ["in the middle of its array"]],
    ["a missing key", { "a.jsonl": '{"body": "x", "title": "y"}' }, ['no column "text"', '"body", "title"']],
    ["a missing CSV column", { "a.csv": "body,title\nx,y" }, ['no column "text"', '"body", "title"']],
    ["a missing Parquet column", { "a.parquet": parquet().slice() }, []],
    ["a CSV with a short record", { "a.csv": "a,text\n1,2\n3" }, ["a.csv is not CSV", "line 3"]],
    ["text named Parquet", { "a.parquet": "this is not parquet" }, ["not a readable Parquet file"]],
    ["a number instead of text", { "a.jsonl": '{"text": 5}' }, ["holds a number"]],
    ["an empty file", { "a.txt": "" }, ["There is no text in a.txt"]],
    ["a CSV without records", { "a.csv": "text\n" }, ["There is no text in a.csv"]],
  ])("%s", async (_, files, messages) => {
    const options = messages.length === 0 ? { text_column: "body" } : {};
    const message = await refusal(files, options);
    for (const part of messages.length === 0 ? ['no column "body"', '"id", "text"'] : messages)
      expect(message).toContain(part);
  });
});

describe("published datasets", () => {
  test.for<[string[], Partial<DataOptions>, number]>([
    [["sms-spam", "SMSSpamCollection.tsv"], { header: false, quoting: "none", text_column: "2" }, 5574],
    [["glue", "CoLA", "train.tsv"], { header: false, quoting: "none", text_column: "4" }, 8551],
    [["glue", "SST-2", "dev.tsv"], { quoting: "none", text_column: "sentence" }, 872],
    [["glue", "MRPC", "train.tsv"], { quoting: "none", text_column: "#2 String" }, 3668],
    [["alpaca", "seed_tasks.jsonl"], { text_column: "instruction" }, 175],
    [
      ["alpaca", "alpaca_data.json.gz"],
      {
        instruction_column: "instruction",
        input_column: "input",
        response_column: "output",
        train_on_inputs: false,
      },
      52_002,
    ],
  ])("%j has the known number of rows", async ([names, options, rows], context) => {
    const file = sharedFile(context, ...names);
    using data = await openIn(temporaryFolder(), { text: file, ...small, ...options });
    expect(data.summary.train.documents).toBe(rows);
  });
});
