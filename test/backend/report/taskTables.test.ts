/** Tasks in a report: numbers with standard errors and protocols, and runs paired document by document. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { createTaskTables, isTaskValue } from "../../../src/backend/report/taskTables";
import type { Sibling } from "../../../src/backend/runs/planning/siblings";
import type { Block } from "../../../src/protocol/blocks";
import type { RunRecord } from "../../../src/protocol/run";
import { createTemporaryFolder } from "../../support/subject";

const folder = createTemporaryFolder();
afterAll(() => folder[Symbol.dispose]());

let count = 0;
/** A run that evaluated PIQA with these answers; accuracy 0.5 and standard error 0.1 in its record. */
function writeRun(
  variant: string,
  seed: number,
  answers: readonly number[],
  {
    method = "0 examples, task version 1.0",
    sweep = {},
  }: { method?: string; sweep?: Record<string, number> } = {},
): Sibling {
  const id = `run-${++count}`;
  const path = join(folder.path, id);
  mkdirSync(join(path, "steps", "0-evaluate"), { recursive: true });
  const lines = answers.map((acc, i) =>
    JSON.stringify({
      task: "piqa",
      doc_id: i,
      doc_hash: `h${i}`,
      values: { acc, acc_norm: acc, acc_tokens: acc },
    }),
  );
  writeFileSync(join(path, "steps", "0-evaluate", "documents-piqa.jsonl"), `${lines.join("\n")}\n`);
  const number = (last: number) => ({ last, min: last, max: last });
  const protocol = {
    data: "piqa",
    split: "validation",
    hash: "h",
    tokens: answers.length,
    unit: "rows",
    method,
  };
  const record = {
    id,
    plan: { variant, seed, sweep },
    summary: { "piqa/acc": number(0.5), "piqa/acc_stderr": number(0.1), "train/loss": number(1) },
    losses: { "piqa/acc": protocol },
  };
  return { folder: path, record: record as unknown as RunRecord };
}

const createTables = (runs: readonly Sibling[], baseline?: string) =>
  createTaskTables(runs, baseline, new AbortController().signal);
const tablesOf = (blocks: readonly Block[]) =>
  blocks.flatMap((block) => (block.kind === "table" ? [block] : []));
const textOf = (blocks: readonly Block[]) =>
  blocks.flatMap((block) => (block.kind === "text" ? [block.text] : [])).join("\n");

const good = [1, 1, 0, 0, 1, 1, 1, 1];
const bad = [1, 1, 1, 0, 0, 0, 0, 0];

it("shows each number with its standard error and names the protocol", async () => {
  const blocks = await createTables([writeRun("dense", 0, good)]);
  const [table, ...others] = tablesOf(blocks);
  expect(others).toEqual([]);
  expect(table).toMatchObject({
    columns: ["value", "variant", "seed", "result ± standard error", "run"],
    rows: [["piqa/acc", "dense", "0", "0.5000 ± 0.1000", expect.stringMatching(/^run-/) as string]],
  });
  expect(textOf(blocks)).toBe(
    "piqa: 8 rows of piqa, validation split (rows h), 0 examples, task version 1.0.",
  );
});

it("pairs each run with that of the baseline of its seed", async () => {
  const runs = [
    writeRun("dense", 0, good),
    writeRun("dense", 1, bad),
    writeRun("pruned", 0, bad),
    writeRun("pruned", 1, bad),
  ];
  const [, paired] = tablesOf(await createTables(runs));
  const rows = paired!.rows.filter(([value]) => value === "piqa/acc");
  // Four documents that only the dense model has right against one: 2 · (1 + 5) / 32.
  expect(rows[0]).toEqual([
    "piqa/acc",
    "pruned",
    "dense",
    "0",
    "8",
    "−0.3750",
    expect.stringMatching(/^−[\d.]+ to [+−][\d.]+$/) as string,
    "1 : 4",
    "0.375",
  ]);
  expect(rows[1]).toEqual([
    "piqa/acc",
    "pruned",
    "dense",
    "1",
    "8",
    "+0.0000",
    "+0.0000 to +0.0000",
    "0 : 0",
    "1.00",
  ]);
  expect(paired!.rows.map(([value]) => value)).toEqual([
    "piqa/acc",
    "piqa/acc_norm",
    "piqa/acc",
    "piqa/acc_norm",
  ]);
  const [, other] = tablesOf(await createTables(runs, "pruned"));
  expect(other!.rows[0]!.slice(1, 6)).toEqual(["dense", "pruned", "0", "8", "+0.3750"]);
});

it("pairs the points of a sweep with the same point of the baseline, or with the first of a single variant", async () => {
  const point = (variant: string, rate: number) => writeRun(variant, 0, good, { sweep: { rate } });
  const both = [point("dense", 1), point("dense", 2), point("pruned", 2)];
  const against = async (runs: readonly Sibling[]) => {
    const [, paired] = tablesOf(await createTables(runs));
    return paired!.rows.filter(([value]) => value === "piqa/acc").map((row) => row.slice(1, 3));
  };
  expect(await against(both)).toEqual([["pruned (rate 2)", "dense (rate 2)"]]);
  expect(await against(both.slice(0, 2))).toEqual([["dense (rate 2)", "dense (rate 1)"]]);
});

it("marks other protocols with letters and takes no difference between them", async () => {
  const runs = [
    writeRun("dense", 0, good),
    writeRun("pruned", 0, bad, { method: "5 examples, task version 1.0" }),
  ];
  const blocks = await createTables(runs);
  const [table, ...paired] = tablesOf(blocks);
  expect(paired).toEqual([]);
  expect(table!.rows.map((row) => row[4])).toEqual(["A", "B"]);
  expect(textOf(blocks)).toMatch(/B: 8 rows of piqa.*5 examples/);
  expect(textOf(blocks)).toMatch(
    /pruned is not compared with dense: run-\d+ and run-\d+ evaluated piqa in different ways: 5 examples instead of 0 examples/,
  );
});

it("reports other rows and a damaged file, and omits them", async () => {
  const runs = [writeRun("dense", 0, good), writeRun("short", 0, bad.slice(1)), writeRun("broken", 0, bad)];
  writeFileSync(join(runs[2]!.folder, "steps", "0-evaluate", "documents-piqa.jsonl"), "{\n");
  const blocks = await createTables(runs);
  expect(textOf(blocks)).toMatch(
    /short is not compared with dense: The two evaluated different rows of piqa \(8 and 7/,
  );
  expect(textOf(blocks)).toMatch(
    /broken is not compared with dense: .*documents-piqa\.jsonl:1 is not the result/,
  );
});

it("knows the numbers of tasks, and nothing where no task was evaluated", async () => {
  expect(["piqa/acc", "mmlu_stem/acc", "piqa/acc_stderr", "eval/loss"].map(isTaskValue)).toEqual([
    true,
    true,
    false,
    false,
  ]);
  const run = writeRun("dense", 0, good);
  const record = { ...run.record, summary: {} } as RunRecord;
  expect(await createTables([{ ...run, record }])).toEqual([]);
});
