import { appendFileSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { Block } from "../../../../src/protocol/blocks";
import { formatMarkdown } from "../../../../src/protocol/blocks";
import { realRun, type RealRun, tinyExperiment, useBundledPrograms } from "../realRuns";
import { pastStep, temporaryFolder } from "../../runs/workbench";

let real: RealRun;
beforeAll(async () => {
  await useBundledPrograms();
  real = await realRun();
}, 120_000);

const results = async (run = real.run) => (await real.window.ask("runs.results", { run })).steps;
const tables = (blocks: readonly Block[]) => blocks.filter((block) => block.kind === "table");
const texts = (blocks: readonly Block[]) =>
  blocks.flatMap((block) => (block.kind === "text" ? [block.text] : []));

/** A copy that may be damaged; the window finds it like any run. */
async function copy(name: string): Promise<string> {
  const folder = join(real.run, "..", `${name}-20260101-000000-abcd`);
  cpSync(real.run, folder, { recursive: true });
  await real.window.service.runs.rescan();
  return folder;
}

test("each step of a real run reports its result", async () => {
  const steps = await results();
  expect(steps.map(({ index, action, state }) => [index, action, state])).toEqual([
    [0, "train", "done"],
    [1, "compress", "done"],
    [2, "train", "done"],
    [3, "evaluate", "done"],
    [4, "export", "done"],
    [5, "report", "done"],
  ]);
  const [train, compress, again, evaluate, exported, report] = steps.map(({ blocks }) => blocks);
  const [losses, work] = tables(train!);
  expect(losses!.columns).toEqual(["", "last", "lowest", "at step"]);
  expect(losses!.rows.map(([name]) => name)).toEqual(["train loss", "eval loss"]);
  expect(losses!.rows[0]![1]).toBeGreaterThan(0);
  expect(work!.rows[0]!.slice(0, 2)).toEqual([6, expect.any(Number)]);
  expect(work!.rows[0]![2]).toBeGreaterThan(0);
  // The second training counts its own steps and tokens, a third of those of the first.
  expect(tables(again!)[1]!.rows[0]!.slice(0, 2)).toEqual([2, Number(work!.rows[0]![1]) / 3]);

  const [summary, roles] = tables(compress!);
  const [, before, after, left] = summary!.rows[0]!;
  expect(left).toBe(`${((100 * Number(after)) / Number(before)).toFixed(1)} %`);
  expect(Number(after)).toBeLessThan(Number(before));
  expect(roles!.rows.every(([role]) => String(role).startsWith("layers.0."))).toBe(true);

  expect(tables(evaluate!).map(({ title }) => title)).toEqual(["Parameters", "Perplexity"]);
  expect(tables(evaluate!)[0]!.rows[0]!.slice(0, 3)).toEqual(["non-embedding", expect.any(Number), after]);
  expect(texts(evaluate!)).toEqual([
    expect.stringMatching(/^grammar, validation split .*stride 8.*64 tokens scored/),
  ]);
  expect(evaluate).toContainEqual({
    kind: "samples",
    title: "Samples",
    samples: [{ prompt: "ab", text: expect.any(String) as string }],
  });

  expect(exported!.map((block) => block.kind === "file" && block.label)).toEqual([
    "model/config.json",
    "model/model.safetensors",
    "model/tokenizer.json",
    "model/tokenizer_config.json",
  ]);
  expect(report!.map(({ kind }) => kind)).toEqual(["text", "file"]);
  expect(formatMarkdown(steps.flatMap(({ blocks }) => blocks))).toContain("**Perplexity**");
});

test("a training reports how many rows of its text each rule leaves", async () => {
  const rows = ["yes", "no", "never", "no", "no way"].map((text) =>
    JSON.stringify({ text: `${text}. `.repeat(9) }),
  );
  const file = join(temporaryFolder(), "rows.jsonl");
  writeFileSync(file, rows.join("\n"));
  const { window, run } = await realRun(
    tinyExperiment
      .split("\n\n")
      .slice(0, 3)
      .join("\n\n")
      .replace(
        "grammar: {length: 4000}",
        `text: ${JSON.stringify(file)}, drop_rows_containing: [never, way]`,
      ),
  );
  const { steps } = await window.ask("runs.results", { run });
  expect(tables(steps[0]!.blocks)[0]).toEqual({
    kind: "table",
    title: "Data",
    columns: ["rows", "left", "dropped"],
    rows: [
      ["with text", 5, null],
      ["without “never”", 4, 1],
      ["without “way”", 3, 1],
    ],
  });
});

test("damage is reported in its place, and hides nothing else", async () => {
  const run = await copy("damaged");
  writeFileSync(join(run, "steps/3-evaluate/eval.json"), "{ not json");
  writeFileSync(
    join(run, "steps/1-compress/plan.json"),
    JSON.stringify({ method: "magnitude", before: {}, after: {} }),
  );
  rmSync(join(run, "steps/5-report/report.md"));
  const steps = await results(run);
  expect(texts(steps[1]!.blocks)).toEqual([
    expect.stringMatching(/^plan\.json of this step can't be shown: .*before\.roles/),
  ]);
  expect(texts(steps[3]!.blocks)).toEqual([
    expect.stringMatching(/^eval\.json of this step can't be shown: .*not complete JSON\.$/),
  ]);
  expect(texts(steps[5]!.blocks)).toEqual(["report.md of this step can't be shown: the file is missing."]);
  expect(tables(steps[0]!.blocks)).toHaveLength(2);
  expect(steps[4]!.blocks).toHaveLength(4);
});

test("nothing is read through a link, or beyond its limits", async () => {
  const run = await copy("linked");
  const secret = join(temporaryFolder(), "secret.md");
  writeFileSync(secret, "a secret");
  rmSync(join(run, "steps/5-report/report.md"));
  symlinkSync(secret, join(run, "steps/5-report/report.md"));
  rmSync(join(run, "steps/4-export/model"), { recursive: true });
  symlinkSync(join(secret, ".."), join(run, "steps/4-export/model"));
  mkdirSync(join(run, "steps/3-evaluate/figures"));
  symlinkSync(secret, join(run, "steps/3-evaluate/figures/loss.csv"));
  appendFileSync(join(run, "steps/3-evaluate/samples.json"), " ".repeat(9 * 2 ** 20));
  const steps = await results(run);
  expect(JSON.stringify(steps)).not.toContain("a secret");
  expect(texts(steps[5]!.blocks)).toEqual([expect.stringContaining("symbolic link")]);
  expect(texts(steps[4]!.blocks)).toEqual([expect.stringContaining("symbolic link")]);
  expect(steps[3]!.blocks.some(({ kind }) => kind === "file")).toBe(false);
  expect(texts(steps[3]!.blocks)).toContainEqual(
    expect.stringMatching(/^samples\.json .*The limit is 8388608/),
  );
});

test("in an interrupted run, the first unfinished step shows its intermediate results, the later ones nothing", async () => {
  const run = await copy("interrupted");
  for (const name of ["2-train", "3-evaluate", "4-export", "5-report"])
    rmSync(join(run, "steps", name, "done.json"));
  const steps = await results(run);
  expect(steps.map(({ state }) => state)).toEqual([
    "done",
    "done",
    "waiting",
    "waiting",
    "waiting",
    "waiting",
  ]);
  expect(tables(steps[2]!.blocks)[1]!.rows[0]![0]).toBe(2);
  expect(steps.slice(3).map(({ blocks }) => blocks.length)).toEqual([0, 0, 0]);
});

test("an active run has a running step, with its results so far", async () => {
  const { window, file } = real;
  const text = tinyExperiment
    .replace("max_steps: 6", "max_steps: 100000")
    .replace("eval_steps: 3", "eval_steps: 50000");
  writeFileSync(file, text);
  const { runs } = await window.ask("runs.start", { experiment: file });
  const run = runs[0]!.folder;
  try {
    await pastStep(run, 20);
    await window.service.runs.refresh(run);
    const steps = await results(run);
    expect(steps.map(({ state }) => state)).toEqual(["running", ...Array<string>(5).fill("waiting")]);
    const counted = () => results(run).then(([step]) => Number(tables(step!.blocks)[1]!.rows[0]![0]));
    const first = await counted();
    expect(first).toBeGreaterThanOrEqual(20);
    await pastStep(run, first + 5);
    expect(await counted()).toBeGreaterThan(first);
  } finally {
    await window.ask("runs.stop", { run });
  }
}, 60_000);

test("markup in names of methods, metrics and samples stays text", async () => {
  const run = await copy("hostile");
  const markup = "<img src=x onerror=alert(1)>";
  writeFileSync(
    join(run, "steps/3-evaluate/eval.json"),
    JSON.stringify({ [markup]: { values: { [markup]: 1, nan: null }, details: null } }),
  );
  const [table] = tables((await results(run))[3]!.blocks);
  expect(table).toEqual({
    kind: "table",
    title: markup,
    columns: ["metric", "value"],
    rows: [
      [markup, 1],
      ["nan", null],
    ],
  });
});

test("retrieval is a table of right answers by depth and length", async () => {
  const run = await copy("retrieval");
  const cells = [
    { length: 512, depth: 0, correct: 3, samples: 20 },
    { length: 64, depth: 1, correct: 20, samples: 20 },
  ];
  writeFileSync(
    join(run, "steps/3-evaluate/eval.json"),
    JSON.stringify({
      retrieval: { values: { "retrieval/accuracy": 0.575 }, details: { cells, samples: [] } },
    }),
  );
  expect(tables((await results(run))[3]!.blocks)).toEqual([
    {
      kind: "table",
      title: "Retrieval",
      columns: ["depth", "64 tokens", "512 tokens"],
      rows: [
        ["0", null, "3 of 20"],
        ["1", "20 of 20", null],
      ],
    },
  ]);
});
