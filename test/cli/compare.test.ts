/** `lathe compare` on the documents that two runs kept. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import type { DocumentLine } from "../../src/backend/runs/folder/documentResults";
import { schemaCatalog } from "../../src/backend/schemaCatalog";
import compare from "../../src/cli/commands/compare";
import { Terminal } from "../../src/cli/terminal";
import type { LossProtocol } from "../../src/protocol/lossProtocol";
import { createTemporaryFolder } from "../support/subject";

const folder = createTemporaryFolder();
afterAll(() => folder[Symbol.dispose]());

const protocol = {
  data: "piqa",
  split: "validation",
  hash: "h",
  tokens: 4,
  unit: "rows",
  method: "0 examples",
} as const;

/** A run that evaluated a task; returns its id. */
function writeRun(
  number: number,
  lines: readonly (DocumentLine | string)[],
  losses: LossProtocol = protocol,
): string {
  const id = `tiny-20260101-00000${number}-abcd`;
  const step = join(folder.path, id, "steps", "1-evaluate");
  mkdirSync(step, { recursive: true });
  const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  writeFileSync(join(step, "documents-piqa.jsonl"), `${text.join("\n")}\n`);
  const plan = {
    experiment: "tiny.lathe.md",
    name: "tiny",
    folder: ".",
    variant: "",
    sweep: {},
    seed: 0,
    device: "cpu",
    steps: [],
  };
  const record = {
    id,
    name: "tiny",
    state: "done",
    plan,
    workspace: folder.path,
    createdAt: "2026-01-01T00:00:00.000Z",
  };
  writeFileSync(
    join(folder.path, id, "run.json"),
    JSON.stringify({ ...record, summary: {}, notices: [], losses: { "piqa/acc": losses } }),
  );
  return id;
}

const createLines = (answers: readonly number[], logLikelihood = -2): DocumentLine[] =>
  answers.map((acc, i) => ({
    task: "piqa",
    doc_id: i,
    doc_hash: `hash ${i}`,
    values: { acc, perplexity: logLikelihood - i },
  }));

const run = (first: string, second: string) =>
  compare.run({
    args: [first, second],
    options: { out: folder.path },
    terminal: new Terminal(false),
    catalog: schemaCatalog,
  });

const first = writeRun(1, createLines([1, 1, 0, 0, 1, 1, 1, 1]));
const second = writeRun(2, createLines([1, 1, 1, 0, 0, 0, 0, 0], -2.5));

it("pairs the documents of two runs", async () => {
  const { document, text } = await run(first, second);
  expect(document).toMatchObject({
    first,
    second,
    values: [
      // 2 · (1 + 5) / 32 of the exact test of 4 against 1.
      {
        value: "piqa/acc",
        documents: 8,
        first: 0.75,
        second: 0.375,
        difference: -0.375,
        onlyFirst: 4,
        onlySecond: 1,
        p: expect.closeTo(12 / 32, 12) as number,
      },
      { value: "piqa/log_likelihood", difference: -0.5, interval: [-0.5, -0.5] },
    ],
  });
  expect(text).toMatch(/piqa\/acc +8 +0\.7500 +0\.3750 +−0\.3750 .*4 : 1 +0\.375/);
});

it.each([
  [
    "other rows",
    createLines([1, 1, 0]),
    protocol,
    /different rows of piqa \(8 and 3; they differ from row 4 on\)/,
  ],
  [
    "another hash",
    createLines([1, 1, 0, 0, 1, 1, 1, 1]).map((line, i) => (i === 2 ? { ...line, doc_hash: "x" } : line)),
    protocol,
    /differ from row 3 on/,
  ],
  [
    "other examples",
    createLines([1, 1, 0, 0, 1, 1, 1, 1]),
    { ...protocol, method: "5 examples" },
    /5 examples instead of 0 examples/,
  ],
  ["a damaged line", ["{"], protocol, /documents-piqa\.jsonl:1 is not the result of a document/],
])("refuses a run of %s", async (_, lines, losses, message) => {
  await expect(run(first, writeRun(3, lines, losses))).rejects.toThrow(message);
});

it("refuses a run that did not record how it evaluated", async () => {
  const id = writeRun(5, createLines([1, 1, 0, 0, 1, 1, 1, 1]));
  const path = join(folder.path, id, "run.json");
  const { losses: _, ...record } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify(record));
  await expect(run(first, id)).rejects.toThrow(`${id} did not record how it evaluated piqa`);
});

it("refuses a damaged record of an evaluation", async () => {
  const damaged = join(folder.path, "damaged");
  mkdirSync(damaged);
  writeFileSync(join(damaged, "evaluation.json"), "{}");
  await expect(run(first, damaged)).rejects.toThrow(/evaluation\.json is not the record of an evaluation/);
});

it("refuses runs without a common task", async () => {
  const id = writeRun(4, createLines([1]));
  const other = join(folder.path, id, "steps", "1-evaluate");
  renameSync(join(other, "documents-piqa.jsonl"), join(other, "documents-boolq.jsonl"));
  await expect(run(first, id)).rejects.toThrow(/have no task in common/);
});
