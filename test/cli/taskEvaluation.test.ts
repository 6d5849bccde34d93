/** `lathe eval --tasks` on a tiny model, and `lathe compare` on what it keeps. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { exportModel } from "../../src/backend/exports/exportModel";
import { schemaCatalog } from "../../src/backend/schemaCatalog";
import compare from "../../src/cli/commands/compare";
import evaluate from "../../src/cli/commands/eval";
import { Terminal } from "../../src/cli/terminal";
import { createTemporaryFolder, drawModelTensors } from "../support/subject";
import { openTaskSubject, readTaskFixture, taskFolder } from "../support/taskModels";

const folder = createTemporaryFolder();
const path = (name: string) => join(folder.path, name);
const fixture = readTaskFixture();
afterAll(() => folder[Symbol.dispose]());

beforeAll(async () => {
  const subject = await openTaskSubject(fixture, "gpt2");
  await exportModel(subject, { format: "safetensors" }, path("model"));
  const tensors = drawModelTensors(subject.shape, 9);
  await exportModel({ ...subject, tensors }, { format: "safetensors" }, path("other"));
});

/** A terminal of 80 columns. */
function createTerminal(json = false): Terminal {
  const discard = () =>
    Object.assign(new Writable({ write: (_chunk, _encoding, done) => done() }), { columns: 80 });
  return new Terminal(json, discard(), discard());
}

const run = (model: string, options: Readonly<Record<string, unknown>>) =>
  evaluate.run({
    args: [path(model)],
    options: { dataDir: taskFolder, device: "cpu", ...options },
    terminal: createTerminal(),
    catalog: schemaCatalog,
  });

const compareFolders = (first: string, second: string) =>
  compare.run({
    args: [path(first), path(second)],
    options: {},
    terminal: createTerminal(),
    catalog: schemaCatalog,
  });

it("prints a table of 80 columns with the numbers of the harness", async () => {
  const tasks = ["arc_easy", "lambada_openai", "wikitext"];
  const { text, document } = await run("model", { tasks, numFewshot: 0, outputPath: path("first") });
  const [{ results: reference }] = fixture.models["gpt2"]!.runs as [
    (typeof fixture.models)["gpt2"]["runs"][0],
  ];
  const lines = text.split("\n");
  const table = lines.slice(0, lines.indexOf(""));
  expect(table).toHaveLength(10);
  for (const line of table) expect(line.length).toBeLessThanOrEqual(80);
  expect(lines[0]).toMatch(/^task +version +n-shot +metric +value +± stderr$/);
  const cells = table.slice(1).map((line) => line.split(/ {2,}/));
  expect(cells.map((row) => row.slice(0, 4).join(" "))).toEqual([
    ...["acc", "acc_norm", "acc_bytes", "acc_tokens"].map((key) => `arc_easy 1.0 0 ${key} ↑`),
    "lambada_openai 1.0 0 perplexity ↓",
    "lambada_openai 1.0 0 acc ↑",
    ...["word_perplexity", "byte_perplexity", "bits_per_byte"].map((key) => `wikitext 2.0 0 ${key} ↓`),
  ]);
  for (const [task, , , metric, value, error] of cells as [
    string,
    string,
    string,
    string,
    string,
    string,
  ][]) {
    const key = metric.slice(0, -2);
    if (key === "acc_tokens") continue;
    const wanted = reference[task]!;
    const figure = wanted[`${key},none`]!;
    expect(Math.abs(Number(value) - figure) / Math.max(1, figure), `${task} ${key}`).toBeLessThan(1e-3);
    if (task === "wikitext") expect(error).toBe("–");
    else if (key !== "perplexity") expect(Number(error)).toBeCloseTo(wanted[`${key}_stderr,none`]!, 4);
  }
  expect(text).toContain("arc_easy: test split, 7 rows.");
  expect(document).toMatchObject({
    device: "cpu",
    folder: path("first"),
    harness_version: fixture.lm_eval,
    results: {
      arc_easy: {
        version: "1.0",
        num_fewshot: 0,
        values: { "arc_easy/acc": expect.closeTo(reference["arc_easy"]!["acc,none"]!, 8) as number },
      },
    },
  });
});

it("compares what two evaluations kept, and refuses other examples, rows and tasks", async () => {
  await run("other", { tasks: ["arc_easy"], numFewshot: 0, outputPath: path("second") });
  const { document } = await compareFolders("first", "second");
  const { values } = document as {
    values: { value: string; documents: number; first: number; second: number; p: number }[];
  };
  expect(values.map(({ value }) => value)).toEqual(
    ["acc", "acc_norm", "acc_bytes", "acc_tokens"].map((key) => `arc_easy/${key}`),
  );
  const read = (name: string) =>
    readFileSync(path(`${name}/documents-arc_easy.jsonl`), "utf8")
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { values: { acc: number } }).values.acc);
  const mean = (answers: readonly number[]) => answers.reduce((sum, each) => sum + each, 0) / answers.length;
  expect(values[0]).toMatchObject({ documents: 7, first: mean(read("first")), second: mean(read("second")) });
  await run("other", { tasks: ["boolq"], limit: 2, numFewshot: 1, outputPath: path("examples") });
  await expect(compareFolders("first", "examples")).rejects.toThrow(/have no task in common/);
  await run("other", { tasks: ["boolq"], limit: 2, outputPath: path("none") });
  await expect(compareFolders("none", "examples")).rejects.toThrow(/in different ways: .*1 examples/);
  await run("other", { tasks: ["boolq"], limit: 1, outputPath: path("row") });
  await expect(compareFolders("none", "row")).rejects.toThrow(/in different ways: 1 rows instead of 2 rows/);
});

it("keeps the tasks that are done when it is stopped", async () => {
  const before = new Set(process.listeners("SIGINT"));
  const target = path("stopped");
  const timer = setInterval(() => {
    if (!existsSync(join(target, "evaluation.json"))) return;
    clearInterval(timer);
    for (const listener of process.listeners("SIGINT")) if (!before.has(listener)) listener("SIGINT");
  }, 5);
  const stopped = run("model", { tasks: ["boolq", "gsm8k"], numFewshot: 0, outputPath: target });
  await expect(stopped).rejects.toMatchObject({
    code: "cancelled",
    message: expect.stringContaining(`The results of boolq are in ${target}.`) as string,
  });
  expect(JSON.parse(readFileSync(join(target, "evaluation.json"), "utf8"))).toMatchObject({
    details: { results: { boolq: { documents: 8 } } },
  });
});

it.each([
  [{ tasks: ["arc"] }, /--tasks: unknown task "arc"\. Allowed: .*Did you mean "arc_easy"\?/],
  [{ tasks: ["nosuch"] }, /winogrande\.$/],
  [{ tasks: ["hellaswap"] }, /Did you mean "hellaswag"\?/],
  [{ tasks: ["piqa", "piqa"] }, /--tasks: name each task once/],
  [{ tasks: ["piqa"], corpus: "ptb" }, /--corpus: has no effect here/],
  [{ tasks: ["piqa"], limit: 0 }, /--limit: /],
  [{ tasks: ["piqa"], numFewshot: 1.5 }, /--num-fewshot: /],
  [{ tasks: ["arc_challenge"], dataDir: folder.path }, /arc_challenge has no file of the split test/],
  [{ tasks: ["piqa"], outputPath: taskFolder }, /--output-path: .* is not empty/],
  [{ limit: 3, data: ["x.txt"] }, /--limit: has no effect here/],
])("refuses %j", async (options, message) => {
  const { dataDir, ...rest } = { dataDir: taskFolder, ...options } as Record<string, unknown>;
  const all = "tasks" in options ? { ...rest, dataDir } : { ...rest, dataDir: undefined };
  await expect((async () => run("model", all))()).rejects.toThrow(message);
});
