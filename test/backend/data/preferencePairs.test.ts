/** Preference pairs from rows: which tokens both texts have, which of them count, and what happens to long ones. */
import { readFileSync } from "node:fs";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import type { DataSet } from "../../../src/backend/data/dataSet";
import { PairSplit } from "../../../src/backend/data/pairSplit";
import type { Batch, Split } from "../../../src/backend/data/split";
import type { DataOptions } from "../../../src/schema/experiment";
import { failureOf, openIn, temporaryFolder, writeFiles } from "./fixtures";

const columns = { prompt_column: "prompt", chosen_column: "chosen", rejected_column: "rejected" };
const implicit = { chosen_column: "chosen", rejected_column: "rejected" };
const base: Partial<DataOptions> = { text: "rows.*", sequence_len: 24, val_fraction: 0 };

const toLines = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).join("\n");
async function open(
  rows: readonly object[],
  options: Partial<DataOptions> = columns,
  folder = temporaryFolder(),
): Promise<DataSet> {
  await writeFiles(folder, { "rows.jsonl": toLines(rows) });
  return openIn(folder, { ...base, ...options });
}

/** Each row as `prompt|answer`: the text that is fed with its last label, and a bar before the first label that counts. */
function show({ rows, length, tokens, labels, segments }: Batch): string[] {
  return Array.from({ length: rows }, (_, row) => {
    const at = row * length;
    const fed = segments!.subarray(at, at + length).lastIndexOf(1) + 1;
    const first = labels.subarray(at, at + fed).findIndex((label) => label >= 0);
    const ids = [...tokens.subarray(at, at + fed), labels[at + fed - 1]!];
    const text = ids.map((id) => (id === 256 ? "$" : String.fromCharCode(id)));
    return `${text.slice(0, first + 1).join("")}|${text.slice(first + 1).join("")}`;
  });
}
const showAll = (split: Split) => {
  const pairs = new PairSplit(split);
  return show(pairs.batch(Array.from({ length: pairs.sequences }, (_, i) => i)));
};

describe("preference pairs", () => {
  it("are two rows with the same prompt, of which the answers count", async () => {
    using data = await open([
      { prompt: "ask ", chosen: "good", rejected: "no" },
      { prompt: "or ", chosen: "x", rejected: "yes" },
    ]);
    expect(data.isPaired).toBe(true);
    expect(showAll(data.train)).toEqual(["ask |good$", "ask |no$", "or |x$", "or |yes$"]);
    const pairs = new PairSplit(data.train);
    expect(pairs.sequences).toBe(2);
    const { rows, length, segments } = pairs.batch([1, -1]);
    expect([rows, length]).toEqual([4, 24]);
    expect([...segments!.subarray(0, 6)]).toEqual([1, 1, 1, 1, 0, 0]);
    expect(segments!.subarray(2 * 24).every((each) => each === 0)).toBe(true);
  });

  it("are prompts with the chosen answer to everything that reads text", async () => {
    using data = await open([
      { prompt: "ask ", chosen: "good", rejected: "no" },
      { prompt: "or ", chosen: "x", rejected: "yes" },
    ]);
    expect(show(data.train.batch([0, 1]))).toEqual(["ask |good$", "or |x$"]);
    expect(data.summary.train).toMatchObject({ documents: 2, tokens: 9 + 5, bytes: 8 + 4, labels: 5 + 2 });
  });

  it("have as prompt what both answers begin with; a space before the difference belongs to the answers", async () => {
    using data = await open(
      [
        { chosen: "be on", rejected: "be up" },
        { chosen: "abX", rejected: "abY" },
        { chosen: "😀!", rejected: "😁!" },
      ],
      implicit,
    );
    expect(showAll(data.train).slice(0, 4)).toEqual(["be| on$", "be| up$", "ab|X$", "ab|Y$"]);
  });

  it("are drawn in blocks with both answers of each pair", async () => {
    using data = await open(
      Array.from({ length: 6 }, (_, i) => ({ prompt: `${i}:`, chosen: `c${i}`, rejected: `r${i}` })),
    );
    const pairs = new PairSplit(data.train);
    const packed = pairs.pack(Uint32Array.of(4, 1, 4));
    expect(show(pairs.batch([0, 1, 2], packed))).toEqual(
      [4, 1, 4].flatMap((i) => [`${i}:|c${i}$`, `${i}:|r${i}$`]),
    );
  });

  it("stay whole where some are held out, of few pairs as of many", async () => {
    for (const count of [7, 40]) {
      const rows = Array.from({ length: count }, (_, i) => ({
        prompt: "p",
        chosen: `c${i}`,
        rejected: `r${i}`,
      }));
      using data = await open(rows, { ...columns, val_fraction: 0.3 });
      const shown = [...showAll(data.train), ...showAll(data.validation!)];
      expect(new PairSplit(data.validation!).sequences).toBeGreaterThan(1);
      expect(shown.length).toBe(2 * count);
      for (let i = 0; i < shown.length; i += 2) expect(shown[i + 1]).toBe(shown[i]!.replace("c", "r"));
      expect(new Set(shown).size).toBe(2 * count);
    }
  });

  it("are cut at the end or the start, and left out where the prompt fills a sequence; both are reported each time", async () => {
    const rows = [
      { prompt: "0123456", chosen: "abcdef", rejected: "x" },
      { prompt: "01234567890", chosen: "a", rejected: "x" },
      { prompt: "0", chosen: "a", rejected: "x" },
    ];
    const folder = temporaryFolder();
    for (let time = 0; time < 2; time++) {
      using data = await open(rows, { ...columns, sequence_len: 8 }, folder);
      expect(showAll(data.train)).toEqual(["0123456|ab", "0123456|x$", "0|a$", "0|x$"]);
      expect(data.notices).toEqual([
        "1 preference pair of rows.jsonl had an answer cut to data.sequence_len (data.truncation).",
        "Left out 1 preference pair of rows.jsonl, because the prompt leaves no room for an answer. Raise data.sequence_len, or set data.truncation: left.",
      ]);
    }
    using left = await open(rows, { ...columns, sequence_len: 8, truncation: "left" });
    expect(showAll(left.train)).toEqual([
      "56|abcdef$",
      "0123456|x$",
      "4567890|a$",
      "4567890|x$",
      "0|a$",
      "0|x$",
    ]);
  });

  it("come from Parquet as from JSONL", async () => {
    const folder = temporaryFolder();
    const rows = [
      { prompt: "ask ", chosen: "good", rejected: "no" },
      { prompt: "", chosen: "xy", rejected: "z!" },
    ];
    const column = (name: "prompt" | "chosen" | "rejected") => ({
      name,
      data: rows.map((row) => row[name]),
      type: "STRING" as const,
    });
    const columnData = [column("prompt"), column("chosen"), column("rejected")];
    await writeFiles(folder, { "rows.parquet": new Uint8Array(parquetWriteBuffer({ columnData })) });
    using data = await openIn(folder, { ...base, ...columns });
    // Nothing predicts the first token.
    expect(showAll(data.train)).toEqual(["ask |good$", "ask |no$", "x|y$", "z|!$"]);
  });

  it.each([
    [{ prompt: "a", chosen: "", rejected: "x" }, 'the chosen answer (column "chosen") is empty'],
    [{ prompt: "a", chosen: "x" }, 'the rejected answer (column "rejected") is empty'],
    [{ prompt: "a", chosen: 3, rejected: "x" }, 'the column "chosen" is neither text nor a list of messages'],
    [
      { prompt: "a", chosen: "x", rejected: [{ role: "assistant", content: "y" }] },
      "one answer is text and the other a list of messages",
    ],
    [{ prompt: 3, chosen: "x", rejected: "y" }, 'the column "prompt" is not text, as the answers are'],
  ])("are refused, or skipped where malformed rows are: %j", async (row, reason) => {
    const rows = [{ prompt: "p", chosen: "c", rejected: "r" }, row];
    const { message } = await failureOf(open(rows));
    expect(message).toMatch(/^The preference pair of .*rows\.jsonl:2 cannot be used: /);
    expect(message).toContain(`${reason}. Fix the row`);
    using data = await open(rows, { ...columns, on_bad_rows: "skip" });
    expect(data.train.documents).toBe(1);
    expect(data.notices).toContain("Skipped 1 malformed row of rows.jsonl (data.on_bad_rows).");
  });

  it("without a difference have no answer", async () => {
    const { message } = await failureOf(open([{ chosen: "abc", rejected: "abc" }], implicit));
    expect(message).toContain("the chosen answer is empty, or all of it is the start of the other one");
  });
});

describe("preference pairs of conversations", () => {
  const fixture = JSON.parse(readFileSync("test/fixtures/data/conversations.json", "utf8")) as {
    templates: Record<string, string>;
    tokenizers: Record<string, object>;
  };
  const messages = (...texts: readonly string[]) =>
    texts.map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content }));
  const answer = (content: string) => [{ role: "assistant", content }];
  const files = (rows: readonly object[]) => ({
    "rows.jsonl": toLines(rows),
    "model/tokenizer.json": JSON.stringify(fixture.tokenizers["byte-level"]),
    "model/tokenizer_config.json": JSON.stringify({
      bos_token: "<s>",
      eos_token: "</s>",
      chat_template: fixture.templates["chatml"]!,
    }),
  });
  async function read(rows: readonly object[], options: Partial<DataOptions>) {
    const folder = temporaryFolder();
    await writeFiles(folder, files(rows));
    using data = await openIn(folder, { ...base, sequence_len: 256, tokenizer: "model", ...options });
    const pairs = new PairSplit(data.train);
    const { length, tokens, labels } = pairs.batch(Array.from({ length: pairs.sequences }, (_, i) => i));
    return Array.from({ length: 2 * pairs.sequences }, (_, row) => {
      const counted = labels.subarray(row * length, (row + 1) * length);
      const first = counted.findIndex((label) => label >= 0);
      return {
        prompt: data.tokenizer.decode(tokens.subarray(row * length, row * length + first + 1)),
        answer: data.tokenizer.decode(counted.filter((label) => label >= 0)),
      };
    });
  }

  it("are written by the chat template, whichever way the prompt is given", async () => {
    const explicit = await read(
      [{ prompt: messages("Why?"), chosen: answer("Because."), rejected: answer("No.") }],
      columns,
    );
    expect(explicit.map((row) => row.answer)).toEqual([
      expect.stringContaining("Because."),
      expect.stringContaining("No."),
    ]);
    expect(explicit[0]!.prompt).toBe(explicit[1]!.prompt);
    expect(explicit[0]!.prompt).toContain("Why?");
    expect(explicit[0]!.prompt).toMatch(/assistant\n?$/);
    const whole = [{ chosen: messages("Why?", "Because."), rejected: messages("Why?", "No.") }];
    expect(await read(whole, implicit)).toEqual(explicit);
    // A prompt that is text repeats the first message of whole conversations.
    expect(await read([{ prompt: "Why?", ...whole[0] }], columns)).toEqual(explicit);
  });
});
