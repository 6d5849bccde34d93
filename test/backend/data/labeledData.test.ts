/** Rows with labels: their classes, duplicates, rows in two splits, and the position of the label in a sequence. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type DataSet, openData } from "../../../src/backend/data/dataSet";
import { IGNORED } from "../../../src/backend/data/split";
import { dataSchema } from "../../../src/schema/experiment";
import { sharedFile } from "./fixtures";

const folder = mkdtempSync(path.join(tmpdir(), "lathe-labelled-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Row = readonly string[];
const open = async (
  rows: readonly Row[],
  options: Readonly<Record<string, unknown>> = {},
  others: Readonly<Record<string, readonly Row[]>> = {},
): Promise<DataSet> => {
  const write = (name: string, each: readonly Row[]) =>
    writeFileSync(path.join(folder, name), each.map((row) => row.join("\t")).join("\n"));
  write("rows.tsv", rows);
  for (const [name, each] of Object.entries(others)) write(name, each);
  return openData(
    dataSchema.parse({
      text: "rows.tsv",
      header: false,
      label_column: "1",
      text_column: "2",
      sequence_len: 8,
      val_fraction: 0,
      ...options,
    }),
    { baseFolder: folder, cacheFolder: folder },
  );
};
const few: readonly Row[] = [
  ["spam", "win now"],
  ["ham", "hello"],
  ["ham", "a much longer text than fits"],
];

describe("an example", () => {
  it("is a padded row with a single label, its class, at the last token of its text", async () => {
    using data = await open(few);
    expect(data.labels).toEqual({
      kind: "classes",
      values: ["ham", "spam"],
      names: ["ham", "spam"],
      isListed: false,
    });
    const { tokens, labels, length } = data.train.batch([0, 1, 2]);
    const byte = (text: string) => [...Buffer.from(text)];
    const row = (at: number, from: Int32Array) => [...from.subarray(at * length, (at + 1) * length)];
    expect(row(0, tokens).slice(0, 7)).toEqual(byte("win now"));
    expect(row(0, labels)).toEqual([...new Array<number>(6).fill(IGNORED), 1, IGNORED]);
    expect(row(1, labels)).toEqual([
      ...new Array<number>(4).fill(IGNORED),
      0,
      ...new Array<number>(3).fill(IGNORED),
    ]);
    // Truncated on the right to the sequence length, and reported.
    expect(row(2, tokens)).toEqual(byte("a much l"));
    expect(row(2, labels)).toEqual([...new Array<number>(7).fill(IGNORED), 0]);
    expect(data.notices.join()).toContain("1 texts of rows.tsv are longer than a sequence");
  });

  it("may be truncated on the left, or be refused", async () => {
    using left = await open(few, { truncation: "left" });
    expect([...left.train.batch([2]).tokens]).toEqual([...Buffer.from("han fits")]);
    await expect(open(few, { truncation: "none" })).rejects.toThrow(/28 tokens, and a sequence has 8/);
  });

  it("may consist of two texts with a separator between them", async () => {
    const pairs = [
      ["1", "ab", "c"],
      ["0", "x", "y"],
    ];
    using data = await open(pairs, { text_pair_column: "3", pair_separator: "|" });
    expect([...data.train.batch([0]).tokens.subarray(0, 4)]).toEqual([...Buffer.from("ab|c")]);
    expect(data.train.batch([0]).labels[3]).toBe(1);
  });

  it("keeps its label if rows are cleaned", async () => {
    const rows: Row[] = [
      ["1", " ab "],
      ["0", "x"],
    ];
    using data = await open(rows, { clean_rows: "published" });
    expect([...data.train.batch([0]).tokens.subarray(0, 2)]).toEqual([...Buffer.from("ab")]);
    expect(data.labels!.values).toEqual(["0", "1"]);
  });
});

describe("problems of the rows", () => {
  const many = Array.from({ length: 40 }, (_, i): Row => [i % 10 === 0 ? "rare" : "usual", `text ${i}`]);

  it("are reported: imbalanced classes, duplicate texts, texts in two splits, rows without text", async () => {
    const rows = [...many, many[3]!, many[5]!, ["usual", " "]];
    using data = await open(
      rows,
      { validation_text: "held.tsv" },
      { "held.tsv": [many[1]!, ["rare", "new"]] },
    );
    const notices = data.notices.join("\n");
    expect(notices).toContain('90.5 % of the training rows are "usual"');
    expect(notices).toContain("2 rows of the train split repeat");
    expect(notices).toContain("1 texts of the validation split are training texts too");
    expect(notices).toContain("1 rows of the train split have no text");
    expect(data.summary.classification).toEqual({
      labels: ["rare", "usual"],
      train: { rows: 42, classes: [4, 38], duplicates: 2, leaked: 0, empty: 1 },
      validation: { rows: 2, classes: [1, 1], duplicates: 0, leaked: 1, empty: 0 },
    });
    using unique = await open(rows, { drop_duplicates: true });
    expect(unique.train.documents).toBe(40);
  });

  it("stratifies by class, with the same result for every run", async () => {
    using data = await open(many, { val_fraction: 0.25 });
    const classesOf = (split: DataSet["train"]) =>
      Array.from({ length: split.sequences }, (_, i) =>
        split.batch([i]).labels.find((label) => label !== IGNORED),
      );
    expect(classesOf(data.validation!).filter((each) => each === 0).length).toBe(1);
    expect(classesOf(data.validation!).length).toBe(10);
    expect(data.train.sequences).toBe(30);
    using again = await open(many, { val_fraction: 0.25 });
    expect(again.hash).toBe(data.hash);
    using other = await open(many, { val_fraction: 0.25, split_seed: 1 });
    expect(other.hash).not.toBe(data.hash);
  });

  it.each([
    [
      [
        ["ham", "a"],
        ["ham", "b"],
      ],
      {},
      /the same label, so there is nothing to learn/,
    ],
    [
      [
        ["ham", "a"],
        ["", "b"],
        ["spam", "c"],
      ],
      {},
      /Row 2 of rows.tsv has no label; labels are "ham", "spam"/,
    ],
    [
      [
        ["ham", "a"],
        ["eggs", "b"],
      ],
      { labels: ["ham", "spam"] },
      /has the label "eggs"/,
    ],
    [few, { label_column: "4" }, /no column "4" in .*its columns are "1", "2"/],
    [few, { text_column: "5" }, /no column "5"/],
    [few, { format: "text" }, /is plain text, but labels are read from/],
    [few, { instruction_column: "1", response_column: "2" }, /rows are one or the other/],
  ] as const)("is refused: %j with %j", async (rows, options, message) => {
    await expect(open(rows, options)).rejects.toThrow(message);
  });

  it.each([
    [{ labels: ["a", "b"] }, /has the label "0"/],
    [{ problem_type: "single_label_classification", label_names: ["low"] }, /at least|>=2|2 items/],
    [{ label_names: ["low", "middle", "high"], labels: ["0", "0.5"] }, /has 3 names for 2 labels/],
  ] as const)("is refused where the options do not describe the labels: %j", async (options, message) => {
    await expect(
      open(
        [
          ["0", "a"],
          ["0.5", "b"],
        ],
        options,
      ),
    ).rejects.toThrow(message);
  });
});

/** The number of rows in the data's README, minus duplicates where the dataset leaves them out. */
const sets = [
  ["sms-spam", "sms-spam/SMSSpamCollection.tsv", 5171, undefined, undefined],
  ["cola", "glue/CoLA/train.tsv", 8551, 1043, undefined],
  ["sst2", "glue/SST-2/train.tsv", 67_349, 872, undefined],
  ["mrpc", "glue/MRPC/train.tsv", 3668, 408, 1725],
] as const;

describe("named datasets", () => {
  for (const [dataset, file, train, validation, test] of sets)
    it(`${dataset} has the known number of rows`, { timeout: 60_000 }, async (context) => {
      const found = sharedFile(context, ...file.split("/"));
      const dataFolder = found.slice(0, -path.join(...file.split("/")).length);
      const options = dataSchema.parse({ dataset, sequence_len: 64, val_fraction: 0 });
      using data = await openData(options, { baseFolder: folder, cacheFolder: folder, dataFolder });
      const { classification } = data.summary;
      expect([
        classification!.train.rows,
        classification!.validation?.rows,
        classification!.test?.rows,
      ]).toEqual([train, validation, test]);
    });
});
