/** Tasks against lm-evaluation-harness on the same rows, tokenizers and weights (scripts/reference/tasks.py). */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../../../src/backend/engine/engine";
import { openEngine } from "../../../../src/backend/engine/open";
import { readDocuments } from "../../../../src/backend/evaluation/harness/documentFiles";
import { type DocumentResult, scorePart } from "../../../../src/backend/evaluation/harness/scoreTask";
import { summarizeTask } from "../../../../src/backend/evaluation/harness/summarizeTask";
import { harnessVersion } from "../../../../src/backend/evaluation/harness/task";
import type { Subject } from "../../../../src/backend/evaluation/metric";
import tasks from "../../../../src/backend/evaluation/tasks";
import { tasks as catalog } from "../../../../src/backend/evaluation/tasks/catalog";
import { testDevice } from "../../../support/device";
import { createQuietLab, createTemporaryFolder } from "../../../support/subject";
import {
  openTaskSubject,
  readTaskFixture,
  type ReferenceDocument,
  taskFolder,
} from "../../../support/taskModels";

const fixture = readTaskFixture();
let engine: Engine;
const subjects = new Map<string, Subject>();
const folder = createTemporaryFolder();

beforeAll(async () => {
  engine = await openEngine(testDevice, { threads: 1 });
  for (const name of Object.keys(fixture.models)) subjects.set(name, await openTaskSubject(fixture, name));
});
afterAll(async () => {
  folder[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
});

function evaluate(model: string, options: Record<string, unknown>) {
  const parsed = tasks.options.parse({ data_dir: taskFolder, ...options });
  return tasks.evaluate(subjects.get(model)!, parsed, createQuietLab(engine));
}

const harnessNames = new Map([
  ["exact_match_strict", "exact_match,strict-match"],
  ["exact_match_flexible", "exact_match,flexible-extract"],
]);

/** A float32 sum of up to a hundred tokens. */
const tolerance = 1e-4;

function expectEqual(found: readonly DocumentResult[], wanted: readonly ReferenceDocument[]): void {
  expect(found).toHaveLength(wanted.length);
  found.forEach(({ resps, values }, i) => {
    const { resps: reference, ...metrics } = wanted[i]!;
    expect(resps).toHaveLength(reference.length);
    resps.forEach((response, k) => {
      const expected = reference[k]!;
      if (typeof response === "string") {
        expect(response).toBe(expected);
        return;
      }
      const [logLikelihood, isGreedy] =
        typeof expected === "number" ? [expected, false] : (expected as [number, boolean]);
      expect(Math.abs(response[0] - logLikelihood)).toBeLessThan(tolerance);
      expect(response[1]).toBe(isGreedy);
    });
    for (const [name, value] of Object.entries(values)) {
      const expected = metrics[harnessNames.get(name) ?? name];
      // Accuracy per token and the log-likelihood of a whole text are not among the harness's metrics.
      if (name === "acc_tokens" || name === "log_likelihood") continue;
      if (name === "perplexity") expect(Math.abs(value - expected!)).toBeLessThan(tolerance);
      else expect([i, name, value]).toEqual([i, name, expected]);
    }
  });
}

const cases = Object.entries(fixture.models).flatMap(([model, { runs }]) =>
  runs.flatMap(({ num_fewshot: shots, documents, results }) =>
    Object.keys(documents)
      .filter((task) => !task.startsWith("mmlu"))
      .map((task) => ({ model, shots, task, documents: documents[task]!, results: results[task]! })),
  ),
);

it.each(cases)(
  "$task of $model with $shots examples equals the harness document by document",
  async (each) => {
    const { model, shots, task, documents, results } = each;
    const found = await evaluate(model, { names: [task], num_fewshot: shots });
    const kept = found.files![`documents-${task}.jsonl`]!.trim().split("\n");
    expectEqual(
      kept.map((line) => JSON.parse(line) as DocumentResult),
      documents,
    );
    for (const [name, value] of Object.entries(found.values)) {
      if (name.includes("acc_tokens")) continue;
      const [, metric, filter, error = ""] = /\/(.*?)(?:_(strict|flexible))?(_stderr)?$/.exec(
        name,
      ) as unknown as [string, string, string?, string?];
      const key = `${metric}${error},${filter === "strict" ? "strict-match" : filter === "flexible" ? "flexible-extract" : "none"}`;
      const wanted = results[key]!;
      expect(Math.abs(value - wanted) / Math.max(1, Math.abs(wanted)), `${name} ${value}`).toBeLessThan(
        tolerance,
      );
    }
    expect(found.details.harness_version).toBe(harnessVersion);
    expect(found.lines.at(-1)).toContain(harnessVersion);
  },
);

it("follows the release that made the figures", () => {
  expect(fixture.lm_eval).toBe(harnessVersion);
});

it.each(Object.keys(fixture.models))(
  "averages subjects of MMLU by their sizes as the harness does, of %s",
  async (model) => {
    for (const { num_fewshot: shots, documents, results } of fixture.models[model]!.runs) {
      const names = Object.keys(documents).filter((task) => task.startsWith("mmlu_"));
      const mmlu = catalog["mmlu"]!;
      const parts = mmlu.parts.filter(({ name }) => names.includes(name));
      const all: DocumentResult[] = [];
      const places = {
        baseFolder: ".",
        cacheFolder: folder.path,
        dataFolder: taskFolder,
        signal: undefined,
        progress: () => undefined,
      };
      const scoring = {
        count: shots,
        seed: 1234,
        maxLength: model === "gpt2" ? 400 : 96,
        batchSize: 3,
        addBos: undefined,
      };
      for (const part of parts) {
        const some = {
          documents: await readDocuments(part.data, "test", places),
          pool: await readDocuments(part.data, "dev", places),
        };
        const scored = await scorePart(
          mmlu,
          part,
          some,
          subjects.get(model)!,
          scoring,
          createQuietLab(engine),
        );
        expectEqual(scored, documents[part.name]!);
        all.push(...scored);
      }
      if (names.length === 0) continue;
      const summary = summarizeTask("mmlu", { ...mmlu, parts }, all, {
        fewshot: shots,
        seed: 1234,
        resamples: 0,
        addBos: undefined,
        maxLength: undefined,
      });
      expect(summary.values["mmlu/acc"]).toBeCloseTo(results["mmlu"]!["acc,none"]!, 6);
      expect(summary.values["mmlu/acc_stderr"]).toBeCloseTo(results["mmlu"]!["acc_stderr,none"]!, 6);
      expect(Object.keys(summary.parts!)).toEqual(parts.map(({ name }) => name));
    }
  },
);

describe("options", () => {
  it("gives the same numbers for every batch size, and others for other examples", async () => {
    const options = { names: ["arc_easy"], num_fewshot: 1, limit: 3 };
    const [small, large] = [
      await evaluate("llama", { ...options, batch_size: 1 }),
      await evaluate("llama", options),
    ];
    const read = ({ files }: typeof small) => {
      const lines = files!["documents-arc_easy.jsonl"]!.trim().split("\n");
      const documents = lines.map((line) => JSON.parse(line) as DocumentResult);
      return documents.flatMap(({ resps }) => resps as readonly [number, boolean][]);
    };
    expect(read(small)).toHaveLength(read(large).length);
    read(small).forEach(([value], i) => expect(Math.abs(value - read(large)[i]![0])).toBeLessThan(1e-5));
    const other = await evaluate("llama", { ...options, fewshot_seed: 7 });
    expect(read(other)[0]![0]).not.toBeCloseTo(read(large)[0]![0], 3);
    const protocols = [large, other].map(({ protocols }) => protocols!["arc_easy/acc"]!);
    expect(protocols[0]).toMatchObject({ tokens: 3, unit: "rows", split: "test" });
    expect(protocols[1]!.hash).toBe(protocols[0]!.hash);
    expect(protocols[1]!.method).not.toBe(protocols[0]!.method);
  });

  it.each([
    [{ names: ["arc"] }, /Invalid option/],
    [{ names: ["piqa", "piqa"] }, /name each task once/],
    [{ names: ["piqa"], max_length: 401 }, /longer than the model's 400 positions/],
    [{ names: ["piqa"], num_fewshot: 6 }, /needs 7 rows in the split train, which has 6/],
    [
      { names: ["arc_challenge"], data_dir: folder.path },
      /arc_challenge has no file of the split test. Place test.jsonl/,
    ],
    [{ names: ["gsm8k"], num_fewshot: 0, max_length: 200 }, /generates 256 tokens/],
  ])("refuses %j", async (options, message) => {
    await expect((async () => evaluate("gpt2", options))()).rejects.toThrow(message);
  });

  it("finds missing files before a run starts", async () => {
    const check = async (options: Record<string, unknown>) =>
      tasks.check!(subjects.get("gpt2")!, tasks.options.parse(options), {
        baseFolder: taskFolder,
        cacheFolder: ".",
      });
    await check({ names: ["boolq"], num_fewshot: 1, data_dir: "." });
    await expect(check({ names: ["mmlu"], data_dir: "." })).rejects.toThrow(
      /astronomy has no file of the split test/,
    );
  });
});

describe("rows", () => {
  let written = 0;
  const evaluateRows = (task: string, split: string, content: string) => {
    const target = join(folder.path, `rows-${++written}`);
    mkdirSync(join(target, task), { recursive: true });
    writeFileSync(join(target, task, split), content);
    return evaluate("gpt2", { names: [task], data_dir: target, num_fewshot: 0 });
  };

  it.each(["arc_easy", "piqa"])("reads Parquet files with nested fields as JSONL files: %s", async (name) => {
    const fromParquet = await evaluate("gpt2", { names: [name], data_dir: join(taskFolder, "parquet") });
    const fromJson = await evaluate("gpt2", { names: [name] });
    expect(fromParquet.files).toEqual(fromJson.files);
    expect(fromParquet.protocols).toEqual(fromJson.protocols);
  });

  it("reads CSV files of the same form as JSONL files", async () => {
    const csv = 'goal,sol1,sol2,label\nWhy?,"one, two",three,1\nHow?,a,b,0\n';
    const jsonl =
      '{"goal":"Why?","sol1":"one, two","sol2":"three","label":1}\n{"goal":"How?","sol1":"a","sol2":"b","label":0}\n';
    const [fromCsv, fromJson] = [
      await evaluateRows("piqa", "validation.csv", csv),
      await evaluateRows("piqa", "validation-00000-of-00001.jsonl", jsonl),
    ];
    expect(fromCsv.values).toEqual(fromJson.values);
  });

  it.each([
    [
      "piqa",
      "validation.jsonl",
      '{"goal":"a","sol1":"b","label":0}',
      /validation.jsonl:1 cannot be evaluated: it has no field sol2/,
    ],
    [
      "piqa",
      "validation.jsonl",
      '{"goal":"a","sol1":"b","sol2":"c","label":2}',
      /label has to be the number of one of 2 answers.*is 2/,
    ],
    [
      "winogrande",
      "validation.jsonl",
      '{"sentence":"a","option1":"b","option2":"c","answer":"1"}',
      /no _ to fill in/,
    ],
    [
      "winogrande",
      "validation.jsonl",
      '{"sentence":"a _","option1":"b","option2":"c","answer":""}',
      /answer has to be a whole number, but is ""/,
    ],
    [
      "arc_easy",
      "test.jsonl",
      '{"question":"a","choices":{"text":["b"],"label":["A"]},"answerKey":"B"}',
      /answerKey "B" is not a label. Allowed: A/,
    ],
    [
      "arc_easy",
      "test.jsonl",
      '{"question":"a","choices":["b"],"answerKey":"A"}',
      /choices has to be an object/,
    ],
    ["boolq", "validation.jsonl", "", /has no rows/],
  ])("refuses a row of %s in %s: %s", async (task, split, content, message) => {
    await expect(evaluateRows(task, split, `${content}\n`)).rejects.toThrow(message);
  });

  it("refuses a split in two formats", async () => {
    const target = join(folder.path, "twice");
    cpSync(join(taskFolder, "boolq"), join(target, "boolq"), { recursive: true });
    writeFileSync(join(target, "boolq", "validation.csv"), "passage,question,label\na,b,1\n");
    await expect(evaluate("gpt2", { names: ["boolq"], data_dir: target })).rejects.toThrow(
      /in 2 formats \(csv, jsonl\)/,
    );
  });

  it("refuses broken weights and stops on request", async () => {
    const { tensors, ...rest } = subjects.get("gpt2")!;
    const broken = new Map(tensors);
    broken.set("transformer.ln_f.weight", { shape: [16], data: new Float32Array(16).fill(NaN) });
    const options = tasks.options.parse({ names: ["boolq"], data_dir: taskFolder });
    await expect(
      tasks.evaluate({ ...rest, tensors: broken }, options, createQuietLab(engine)),
    ).rejects.toThrow(/not a number/);
    const stopped = tasks.evaluate(
      subjects.get("gpt2")!,
      options,
      createQuietLab(engine, AbortSignal.abort()),
    );
    await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
  });
});
