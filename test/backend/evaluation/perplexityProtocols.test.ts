/** Perplexities by each protocol against a loop over windows in PyTorch and lm-evaluation-harness (scripts/reference/tasks.py). */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DataSet, openData } from "../../../src/backend/data/dataSet";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import type { Subject } from "../../../src/backend/evaluation/metric";
import perplexity from "../../../src/backend/evaluation/perplexity";
import { areComparable } from "../../../src/protocol/protocolMarks";
import { dataSchema } from "../../../src/schema/experiment";
import { testDevice } from "../../support/device";
import { createQuietLab, createTemporaryFolder } from "../../support/subject";
import { openTaskSubject, readTaskFixture, taskFolder } from "../../support/taskModels";

const fixture = readTaskFixture();
const names = Object.keys(fixture.models);
const folder = createTemporaryFolder();
let engine: Engine;
const subjects = new Map<string, Subject>();
const opened: DataSet[] = [];
const pages = readFileSync(join(taskFolder, "wikitext/test.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => (JSON.parse(line) as { page: string }).page);

beforeAll(async () => {
  engine = await openEngine(testDevice, { threads: 1 });
  for (const name of names) subjects.set(name, await openTaskSubject(fixture, name));
  const rows = pages.map((text) => `${JSON.stringify({ text })}\n`).join("");
  mkdirSync(join(folder.path, "wikitext2"));
  writeFileSync(join(folder.path, "wikitext2", "test.jsonl"), rows);
  writeFileSync(join(folder.path, "joined.txt"), pages.join("\n\n"));
});
afterAll(async () => {
  for (const set of opened) set[Symbol.dispose]();
  folder[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
});

/** The model with a text file, whole, or with rows. */
async function withText(name: string, text: string): Promise<Subject> {
  const set = await openData(
    dataSchema.parse({ text, val_fraction: 0, sequence_len: 1, tokenizer: join(taskFolder, name) }),
    { baseFolder: folder.path, cacheFolder: folder.path },
  );
  opened.push(set);
  return {
    ...subjects.get(name)!,
    data: { title: text, train: set.train, validation: undefined, test: set.train },
  };
}

const measure = (subject: Subject, options: Record<string, unknown>) =>
  perplexity.evaluate(
    subject,
    perplexity.options.parse({ split: "test", context: 24, ...options }),
    createQuietLab(engine),
  );

const cases = names.flatMap((name) =>
  fixture.models[name]!.perplexities.map((figures) => ({
    name,
    ...figures,
    bos: figures.add_bos ?? undefined,
  })),
);

function expectClose(found: number, wanted: number): void {
  expect(Math.abs(found - wanted) / wanted).toBeLessThan(1e-5);
}

describe.each(cases)(
  "$name with add_bos $add_bos",
  ({ name, bos, gptq, strided, strided_scored, harness }) => {
    const corpus = { corpus: "wikitext2", data_dir: folder.path, add_bos: bos };

    it("equals the loop over windows without overlap, on rows that are joined and on the joined text", async () => {
      const fromRows = await measure(subjects.get(name)!, { protocol: "gptq", ...corpus });
      expectClose(fromRows.values["perplexity_gptq/token"]!, gptq);
      expect(Object.keys(fromRows.values)).toEqual(["perplexity_gptq/loss", "perplexity_gptq/token"]);
      const fromText = await measure(await withText(name, "joined.txt"), { protocol: "gptq", add_bos: bos });
      expect(fromText.details.perplexity).toBe(fromRows.details.perplexity);
      expect(fromText.details.protocol.hash).toBe(fromRows.details.protocol.hash);
      expect(fromText.lines[1]).toContain("protocol gptq, windows of 24 without overlap");
    });

    it("equals the loop over overlapping windows", async () => {
      const { details } = await measure(subjects.get(name)!, { stride: 10, ...corpus });
      expectClose(details.perplexity, strided);
      expect(details.protocol.scored_tokens).toBe(strided_scored);
    });

    it("equals the harness's rolling windows over documents", async () => {
      const rows = await withText(name, "wikitext2/test.jsonl");
      const { details, values } = await measure(rows, { protocol: "harness", add_bos: bos });
      const total = harness.reduce((sum, each) => sum + each, 0);
      expectClose(details.perplexity, Math.exp(-total / details.protocol.scored_tokens));
      expect(details.protocol.scored_tokens).toBe(details.protocol.tokens);
      const bytes = pages.reduce((sum, page) => sum + Buffer.byteLength(page), 0);
      expectClose(values["perplexity_harness/bits_per_byte"]!, -total / bytes / Math.LN2);
    });
  },
);

it("gives the numbers of each protocol names and protocols of their own", async () => {
  const subject = await withText("llama", "joined.txt");
  const found = [];
  for (const protocol of ["strided", "gptq", "harness"])
    found.push(await measure(subject, { protocol, max_tokens: 100 }));
  const keys = found.flatMap(({ values }) => Object.keys(values));
  expect(new Set(keys).size).toBe(keys.length);
  for (const { values, protocols } of found)
    for (const key of Object.keys(values)) expect(protocols).toHaveProperty([key]);
  // Within a protocol, BOS and the window make numbers that may not be compared.
  const runs = [];
  for (const options of [{ add_bos: true }, { add_bos: false }, { add_bos: false, context: 20 }]) {
    const { values, protocols } = await measure(subject, { protocol: "gptq", ...options });
    const summaries = Object.entries(values).map(
      ([key, last]) => [key, { last, min: last, max: last }] as const,
    );
    runs.push({ metrics: Object.fromEntries(summaries), losses: protocols! });
  }
  for (const [a, b] of [
    [0, 1],
    [1, 2],
  ] as const)
    expect(areComparable([runs[a]!, runs[b]!], "perplexity_gptq/token")).toBe(false);
});

it.each([
  [{ protocol: "gptq", stride: 4 }, /windows of gptq do not overlap/],
  [{ data_dir: "." }, /name it in corpus/],
  [{ protocol: "gptq", context: 97 }, /longer than the model's 96 positions/],
  [{ protocol: "gptq", max_tokens: 10 }, /has 11 tokens, which do not fill a window of 24/],
  [{ corpus: "ptb", data_dir: "nowhere" }, /ptb has no file of the split test/],
])("refuses %j", async (options, message) => {
  const subject = await withText("llama", "joined.txt");
  await expect((async () => measure(subject, options))()).rejects.toThrow(message);
});

it("refuses to join documents by a rule of its own", async () => {
  const subject = await withText("llama", "wikitext2/test.jsonl");
  await expect(measure(subject, { protocol: "gptq" })).rejects.toThrow(
    /has 4 documents, and how they are joined/,
  );
});
