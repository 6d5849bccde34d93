/**
 * Compares conversations with the ids and masks of transformers' `apply_chat_template`
 * (scripts/reference/conversations.py).
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { formatDataLines } from "../../../src/backend/data/summaryText";
import type { DataOptions } from "../../../src/schema/experiment";
import { failureOf, openIn, temporaryFolder, writeFiles } from "./fixtures";

interface Case {
  tokenizer: string;
  template: string;
  messages: { role: string; content: string }[];
  /** For templates that do not mark the answers. */
  refused?: true;
  text: string;
  ids: number[];
  /** One digit per id. */
  mask: string;
}

const fixture = JSON.parse(readFileSync("test/fixtures/data/conversations.json", "utf8")) as {
  templates: Record<string, string>;
  tokenizers: Record<string, object>;
  cases: Case[];
  tables: { parquet: string; arrow: string };
};

const options: Partial<DataOptions> = {
  tokenizer: "model",
  conversation_column: "messages",
  packing: false,
  sequence_len: 1024,
  val_fraction: 0,
};

async function folderOf(
  files: Readonly<Record<string, string | Uint8Array>>,
  template = fixture.templates["chatml"]!,
  tokenizer = "byte-level",
): Promise<string> {
  const folder = temporaryFolder();
  await writeFiles(folder, {
    "model/tokenizer.json": JSON.stringify(fixture.tokenizers[tokenizer]),
    "model/tokenizer_config.json": JSON.stringify({
      bos_token: "<s>",
      eos_token: "</s>",
      unk_token: "<unk>",
      chat_template: template,
    }),
    ...files,
  });
  return folder;
}

const lines = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).join("\n");

/** Ids of each conversation, and one digit per id: 1 for a label, 0 otherwise. */
async function read(folder: string, more: Partial<DataOptions> = {}) {
  using data = await openIn(folder, { text: "a.*", ...options, ...more });
  const { train } = data;
  return Array.from({ length: train.sequences }, (_, i) => {
    const { tokens, labels, segments } = train.batch([i]);
    const fed = segments!.lastIndexOf(1) + 1;
    const last = labels[fed - 1]!;
    return {
      fed: [...tokens.subarray(0, fed)],
      last,
      mask: [...labels.subarray(0, fed)].map((label) => (label < 0 ? "0" : "1")).join(""),
      text: data.tokenizer.decode(labels.filter((label) => label >= 0)),
    };
  });
}

describe.each(Object.keys(fixture.tokenizers))("conversations in %s", (tokenizer) => {
  test.each(Object.keys(fixture.templates))(
    "have the ids and the mask that transformers gives: %s",
    async (template) => {
      const cases = fixture.cases.filter(
        (each) => each.tokenizer === tokenizer && each.template === template,
      );
      const [fine, refused] = [false, true].map((is) =>
        cases.filter((each) => (each.refused ?? false) === is),
      );
      // A sequence without a label is skipped, so it is not compared.
      const expected = fine!.filter(({ mask }) => mask.slice(1).includes("1"));
      if (expected.length > 0) {
        const folder = await folderOf({ "a.jsonl": lines(fine!) }, fixture.templates[template], tokenizer);
        const sequences = await read(folder);
        expect(sequences.map(({ fed, mask }) => ({ fed, mask }))).toEqual(
          expected.map(({ ids, mask }) => ({ fed: ids.slice(0, -1), mask: mask.slice(1) })),
        );
        const all = await read(folder, { train_on_inputs: true });
        expect(all.map(({ fed, last }) => [...fed, last])).toEqual(fine!.map(({ ids }) => ids));
      }
      for (const each of refused!) {
        const folder = await folderOf({ "a.jsonl": lines([each]) }, fixture.templates[template], tokenizer);
        const { message } = await failureOf(read(folder));
        expect(message).toContain("a.jsonl:1");
        expect(message).toContain("{% generation %}");
        expect(await read(folder, { train_on_inputs: true })).toHaveLength(1);
      }
    },
  );
});

const hello = [
  { role: "user", content: "Hello" },
  { role: "assistant", content: "Hi 🎉." },
  { role: "user", content: "Why?" },
  { role: "assistant", content: "Because." },
];

test("ShareGPT's format gives the same as OpenAI's", async () => {
  const names = { system: "system", user: "human", assistant: "gpt", tool: "tool" };
  const more = [{ role: "system", content: "Be brief." }, ...hello, { role: "tool", content: "4" }];
  const folder = await folderOf({ "a.jsonl": lines([{ messages: more }]) });
  const shared = more.map(({ role, content }) => ({ from: names[role as "user"], value: content }));
  const other = await folderOf({ "a.jsonl": lines([{ conversations: shared }]) });
  expect(await read(other, { conversation_column: "conversations" })).toEqual(await read(folder));
});

test("only the answers of a conversation have labels, and the log reports how many tokens these are", async () => {
  const folder = await folderOf({ "a.jsonl": lines([{ messages: hello }]) });
  const [sequence] = await read(folder);
  expect(sequence!.text).toBe("Hi 🎉.\nBecause.\n"); // Special tokens are labels and have no text.
  using data = await openIn(folder, { text: "a.jsonl", ...options });
  const labels = [...data.train.batch([0]).labels].filter((label) => label >= 0).length;
  expect(data.summary.train.labels).toBe(labels);
  expect(formatDataLines(data.summary).join()).toContain(`Labels: ${labels} of ${data.train.tokens} tokens`);
});

test.each(["parquet", "arrow"] as const)(
  "%s files support both formats, and null is a missing key",
  async (format) => {
    const template =
      "{% for m in messages %}[{{ m.role }}{% if m.tool_calls is defined %} calls {{ m.tool_calls[0].function.arguments.a + 1 }}{% endif %}{% if m.content is defined %} {{ m.content }}{% endif %}]{% endfor %}";
    const file = { [`a.${format}`]: Buffer.from(fixture.tables[format], "base64") };
    const folder = await folderOf(file, template);
    const textOf = async (conversation_column: string) => {
      using data = await openIn(folder, {
        text: `a.${format}`,
        ...options,
        conversation_column,
        train_on_inputs: true,
      });
      return data.tokenizer.decode(data.train.read(0, data.train.tokens));
    };
    expect(await textOf("messages")).toBe("[user 2 + 2?][assistant calls 3][tool 4][assistant It is 4.]");
    expect(await textOf("conversations")).toBe("[user 2 + 2?][assistant It is 4.]");
  },
);

test("packed conversations have labels only on answers", async () => {
  const folder = await folderOf({ "a.jsonl": lines(Array.from({ length: 9 }, () => ({ messages: hello }))) });
  using data = await openIn(folder, { text: "a.jsonl", ...options, packing: true, sequence_len: 20 });
  let labels = "";
  for (const batch of data.train.batches(1))
    labels += data.tokenizer.decode(batch.labels.filter((id) => id >= 0));
  expect(labels).toContain("Hi 🎉.\nBecause.\nHi 🎉.\nBecause.\n");
  expect(labels).not.toContain("Why");
});

describe("malformed conversations", () => {
  const user = { role: "user", content: "Hello" };
  test.each<[string, unknown, string]>([
    [
      "an unknown role",
      [user, { role: "narrator", content: "x" }],
      'message 2 has the role "narrator"; allowed are system',
    ],
    [
      "an unknown name of ShareGPT",
      [{ from: "bing", value: "x" }],
      'message 1 has the from "bing"; allowed are system, human',
    ],
    ["no role", [{ content: "x" }], "message 1 has no `role`"],
    ["no content", [{ role: "user" }], "message 1 has no `content`"],
    ["an answer that is null", [user, { role: "assistant", content: null }], "message 2 has no `content`"],
    ["no value", [{ from: "gpt" }], "message 1 has no `value`"],
    ["a number", [{ role: "user", content: 4 }], "neither a text nor a list of parts"],
    ["a text as message", ["Hello"], "message 1 is not an object"],
    ["a text as list", "Hello", 'the column "messages" holds a string'],
    ["an object as list", user, 'the column "messages" holds an object'],
    [
      "an answer without labels",
      [user, { role: "assistant", content: "x", weight: 0 }],
      "message 2 has the weight 0",
    ],
  ])("%s: one error with file and row, or a skipped row", async (_, messages, message) => {
    const folder = await folderOf({ "a.jsonl": lines([{ messages: hello }, { messages }]) });
    const error = await failureOf(openIn(folder, { text: "a.jsonl", ...options }));
    expect(error).toMatchObject({ code: "invalid-input" });
    expect(error.message).toContain("a.jsonl:2");
    expect(error.message).toContain(message);
    expect(await read(folder, { on_bad_rows: "skip" })).toHaveLength(1);
  });

  test("an error of the template names the row of the conversation", async () => {
    const folder = await folderOf(
      { "a.jsonl": lines([{ messages: [hello[1], hello[0]] }]) },
      fixture.templates["llama"],
    );
    const { message } = await failureOf(openIn(folder, { text: "a.jsonl", ...options }));
    expect(message).toContain("a.jsonl:1");
    expect(message).toContain("Roles must alternate");
  });

  test("a tokenizer without a template, and options that do not fit, are refused with their names", async () => {
    const folder = await folderOf({ "a.jsonl": lines([{ messages: hello }]) });
    const refusal = async (more: Partial<DataOptions>) =>
      (await failureOf(openIn(folder, { text: "a.jsonl", ...options, ...more }))).message;
    expect(await refusal({ tokenizer: "bytes" })).toContain("The tokenizer bytes has no chat template");
    expect(await refusal({ label_column: "x" })).toContain("data.label_column");
    expect(await refusal({ template: "x" })).toContain("data.template");
    expect(await refusal({ clean_rows: "mended" })).toContain("data.clean_rows");
    expect(await refusal({ truncate_prompt: true })).toContain("data.truncate_prompt");
    const { conversation_column: _, ...plain } = options;
    const message = (await failureOf(openIn(folder, { text: "a.jsonl", ...plain }))).message;
    expect(message).toContain("set data.conversation_column: messages");
  });
});

test("a template that later changes marked answers is refused", async () => {
  const source =
    "{% set ns = namespace(text='') %}{% for m in messages %}{% set ns.text = ns.text + m.content %}{% endfor %}{% set all %}{% generation %}{{ ns.text }}{% endgeneration %}{% endset %}{{ all[1:] }}";
  const folder = await folderOf({ "a.jsonl": lines([{ messages: hello }]) }, source);
  const { message } = await failureOf(openIn(folder, { text: "a.jsonl", ...options }));
  expect(message).toContain("a.jsonl:1");
  expect(message).toContain("a {% generation %} block is cut, or inside another one");
});
